"""A backend that misbehaves the way its first argument says, after a good handshake."""

import json
import sys
import time


def answer(id, result):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": id, "result": result}) + "\n")
    sys.stdout.flush()


manner = sys.argv[1]
for line in sys.stdin:
    message = json.loads(line)
    if message["method"] == "initialize":
        answer(message["id"], {"torch": "none"})
    elif message["method"] == "cancel":
        continue
    elif manner == "dies":
        print("the last words", file=sys.stderr, flush=True)
        sys.exit(3)
    elif manner == "is deaf":
        time.sleep(60)
    elif manner == "babbles":
        print("not a message")
        answer(999, "for nobody")
        answer(message["id"], {"fit": "mine"})

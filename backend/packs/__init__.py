"""Model packs: a folder each, with weights and a card. Imports nothing, so that the add-on can import the catalogue."""

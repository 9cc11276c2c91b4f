"""The fake model's vocabulary alone, for tests that need no reference."""
import json, sys

from fake_whisper import vocabulary

json.dump(vocabulary(), open(sys.argv[1], "w"))

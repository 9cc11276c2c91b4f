"""Prints texts and what Python makes of them by each rule, as JSON lines."""
import json
import random
import unicodedata

OLD = [chr(c) for c in range(0x20, 0x30000) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co", "Cc")]
RULES = {
    "lower": str.lower,
    "upper": str.upper,
    "strip_punctuation": lambda s: "".join(c for c in s if not unicodedata.category(c).startswith("P")),
    "collapse_spaces": lambda s: " ".join(s.split()),
    "nfc": lambda s: unicodedata.normalize("NFC", s),
    "nfkc": lambda s: unicodedata.normalize("NFKC", s),
    "yo_to_ye": lambda s: s.replace("ё", "е").replace("Ё", "Е"),
    "remove:+-'": lambda s: s.translate({ord(c): None for c in "+-'"}),
}

rng = random.Random(3)
texts = ["".join(OLD[i : i + 40]) for i in range(0, len(OLD), 40)]
texts += ["".join(rng.choice(OLD + list(" ,.'+-ёЁΣß") * 300) for _ in range(30)) for _ in range(300)]
for text in texts:
    for rule, function in RULES.items():
        print(json.dumps({"rule": rule, "text": text, "expected": function(text)}))

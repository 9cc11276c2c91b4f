"""Texts that try a tokenizer hard, for compare.py. All are bytes; some are not UTF-8."""
import random


def code_points(first=1, last=0x10FFFF):
    return [c for c in range(first, last + 1) if not 0xD800 <= c < 0xE000]


def with_code_points(*contexts, everywhere=False, block=512):
    """Code points in each of the contexts ("a{0}b"), many to a text, set apart by spaces: all, or those of the planes in use."""
    points = code_points() if everywhere else code_points(last=0x1FFFF) + code_points(0x2F7F0, 0x2FA2F) + code_points(0xE0000, 0xE01FF)
    texts = []
    for start in range(0, len(points), block):
        for context in contexts:
            texts.append(" ".join(context.format(chr(c)) for c in points[start:start + block]).encode())
    return texts


WRITTEN = [
    "", " ", "\u3000\u2003 \u00a0\u1680\u2028\u2029\u205f\u202f\u0085\u000b\u000c\u001c\u001d\u001e\u001f\ufeff\u200b\u180e",
    "cafe\u0301 caf\u00e9 A\u030a\u0323 a\u0323\u030a q\u0307\u0323 \u1e69 \u0344 \u0f73\u0f71\u0f72 \u0301alone \u0345\u0313\u0314",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \U0001f3f3\ufe0f\u200d\U0001f308 \U0001f44d\U0001f3fd \u2764\ufe0f 1\ufe0f\u20e3 \U0001f1eb\U0001f1f7",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0650\u0633\u0652\u0645\u0650 \u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd \u202b\u202e\u2066abc\u2069\u202c \u200f\u200e",
    "a\x01b\x02\x00c\x7fd\x80e\x9ff\tg\rh\x0bi\x1bj \ufffd\ufffe\uffff\U0001ffff \u00ad\u2060\u061c",
    "\u6f22\u5b57kanji\u3072\u3089\u30ab\u30ca \u3400\u4dbf\U00020000\U0002a6df\U0002a700\U0002b740\U0002b820\U0002b920\U0002ceb0\U00030000\U00031350 \uf900\ufa2d\U0002f800 \uac00\ud7a3\u1100\u1161\u11a8",
    "\u0130stanbul \u0131 I i \u0049\u0307 \u039f\u0394\u03a5\u03a3\u03a3\u0395\u03a5\u03a3 \u03a3 \u03c2 \u1e9e \u00df \ufb01\ufb03\ufb05 \u01c4\u01c5\u01c6 \u2126\u212a\u212b \u1f88\u1fbc\u1ffc \u13a0\uab70 \u10a0\u1c90\u10d0",
    "\u0378\u0530\u0e5d \U0001fffd \ue000\uf8ff\U000f0000\U0010ffff \u1734\u1885\u1886\ua9bd\U000111c9\u166d\u1cf2\u1cf3 \u08e2\U000110cd\u07fd\u0898",
    "[MASK] [SEP][CLS] x[PAD]y [mask] [ MASK ] [UNK]s [[SEP]] [MASK [MASK]] \u00e9[SEP]\u0301 [MASK]\u0301 ##ing ## #a [unused5]",
    "don't \u201cquotes\u201d \u2014dash\u2013 \u2026 \u00a1\u00bf \u00ab\u00bb 3.14\u20ac $5 a+b=c <tag> x^2 `y` ~z | \u00a7\u00b6\u00b7 \u3001\u3002\uff01 \u2e43\u2e5d\U00010fff",
    "\u0958\u095c \u0b94 \u0dde \u0f43\u0f76 \u1026 \u1b06 \u2adc \ufb1d\ufb2a \U0001d15e\U0001d1bb \U00011938 \U00011935\U00011930 \U0001109a",
    "x" * 100 + " " + "y" * 101 + " " + "\u0436" * 100 + " " + "\u0436" * 101 + " " + "e\u0301" * 100 + " " + "e\u0301" * 101 + " " + "\u0301" * 300,
    "unaffable antidisestablishmentarianism Donaudampfschifffahrtsgesellschaft supercalifragilisticexpialidocious qzxqzx",
    "Z\u0336a\u0321l\u0489g\u0334o\u20d2 \u0489\u20dd \u0903\u093e\u094d \u302a\u302b\u3099\u309a \U0001e8d0\U0001e944 \u08d3\u09fe\u0afa",
]

BROKEN = [
    b"\xff\xfe", b"caf\xe9 na\xefve", b"\xc3", b"a\xc3(b", b"\xed\xa0\x80\xed\xb0\x80", b"\xed\xa0\xbd\xed\xb8\x80 pair", b"\xc0\xaf\xc1\xbf", b"\xe0\x80\xaf\xe0\x9f\xbf",
    b"\xf0\x80\x80\xaf\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80\xf5\x80\x80\x80\xf8\x88\x80\x80\x80", b"\xe2\x82 cut", b"\xf0\x9f\x98 cut", b"\xf0\x9f", b"\xe6\xbc\xa2\xe6\xbc",
    b"\x80\x80\xbf", b"a\xe2\x28\xa1b", b"\xf0\x28\x8c\xbc", b"\xfc\x84\x80\x80\x80\x80",
]


def hostile_texts():
    generator = random.Random(0)
    texts = [text.encode() for text in WRITTEN] + list(BROKEN)
    points = code_points()
    common = [*range(0x20, 0x250), *range(0x300, 0x370), *range(0x370, 0x700), *range(0x900, 0x1000), *range(0x1e00, 0x2100), *range(0x4e00, 0x4f00)]
    for _ in range(300):
        texts.append("".join(chr(generator.choice(common)) for _ in range(generator.randrange(1, 80))).encode())
    for _ in range(100):
        texts.append("".join(chr(generator.choice(points)) for _ in range(generator.randrange(1, 80))).encode())
    for _ in range(200):
        texts.append(bytes(generator.choice((generator.randrange(256), 0x61, 0x20)) for _ in range(generator.randrange(1, 60))))
        mixed = " ".join(WRITTEN).encode()
        start = generator.randrange(len(mixed))
        texts.append(mixed[start:start + generator.randrange(1, 60)])
    letters = "abcdefghij klmnop\u00e9\u00fc, .\u0301\u6f22"
    texts.append("".join(generator.choices(letters, k=1 << 17)).encode())
    return texts


def long_line():
    """A line of a megabyte."""
    generator = random.Random(3)
    return ["".join(generator.choices("the quick brown fox jumps, over. \u00e9\u00fc", k=1_000_000)).encode(), b"a" * 1_000_000, "\u6f22".encode() * 330_000]


def long_marks():
    """A line of a megabyte of marks, of which each second one belongs before all others."""
    return ("a\u302e" + "\u0301\u0316" * 250_000 + "b").encode()

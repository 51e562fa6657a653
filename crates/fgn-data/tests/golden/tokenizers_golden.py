"""Writes tokenizers_golden.json.gz: three small tokenizers and what the Python package `tokenizers` makes of strings.

    pip install tokenizers==0.23.2
    python tokenizers_golden.py

writes the same file again, byte for byte. What the file holds:

    tokenizers   a list of {"name", "json"}; `json` is the text of the tokenizer's tokenizer.json
    strings      1,000 different strings
    ids          by the tokenizer's name: the ids of each string, without special tokens
    decoded      by the tokenizer's name: the text that `decode` makes of these ids; it skips special tokens

The text that the tokenizers are trained on is made of random syllables. Characters in the strings are in Unicode
since version 3.2 or are well-known emoji: regex engines agree on their classes.

With an argument, the script writes to that folder, and each tokenizer also to NAME/tokenizer.json there.
"""

import gzip
import io
import json
import os
import pathlib
import random
import sys
import unicodedata

# One thread keeps the order of sums.
os.environ |= {"TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1"}

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: E402

SEED, LINES, STRINGS = 20, 400, 1000
ONSETS = ["b", "br", "c", "ch", "d", "f", "g", "h", "l", "m", "n", "p", "r", "s", "st", "t", "th", "tr", "v", "w", ""]
VOWELS = ["a", "e", "i", "o", "u", "ea", "ou", "ai", "y"]
CODAS = ["", "", "", "n", "r", "s", "t", "l", "nd", "st", "ng", "ck"]
ENDINGS = ["", "", "", "ing", "ed", "s", "ly", "tion", "er"]
ACCENTED = ["café", "naïve", "über", "señor", "façade", "Ærø", "smörgås", "e\u0301te\u0301"]
CJK = ["日本", "東京", "中文", "漢字", "文字", "ひらがな", "한국어"]
EMOJI = ["😀", "🎉", "🚀", "❤️", "👍🏽", "👩‍💻", "🇨🇭"]
ENDS = [".", ".", ".", "!", "?", "...", ";", " —"]
CONTRACTIONS = ["it's", "don't", "we'll", "I'm", "they've", "he'd", "you're"]
BLOCKS = [
    (0x20, 0x7E), (0xA0, 0xFF), (0x100, 0x17F), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x4FF), (0x5D0, 0x5EA),
    (0x620, 0x66F), (0x900, 0x97F), (0xE00, 0xE5B), (0x1E00, 0x1EFF), (0x2000, 0x206F), (0x2070, 0x209C),
    (0x20A0, 0x20B1), (0x2190, 0x22FF), (0x3000, 0x30FF), (0x4E00, 0x9FA5), (0xAC00, 0xD7A3), (0xFB00, 0xFB06),
    (0xFF01, 0xFF5E), (0x10330, 0x1034A), (0x1D400, 0x1D454),
]  # fmt: skip
SPACES = [" ", "  ", "   ", "\n", "\n\n", "\t", "\r\n", " \n ", "\u00a0", "\u3000", "\u2028"]
FIXED = ["", " ", "  ", "\n", "\t", "a", "é", "e\u0301", "😀", "日", "\u200b", "\ufeff", "\0", "▁", "Ġ", "##ing", "▁▁a"]
FIXED += ["[UNK]", "<unk>", "a[UNK]b", "<s>", "</s>", "x" * 120, "'s", " 's", "1234567890", "3.14", "A\u0000B", "\x7f"]


def word(rng):
    """A word that looks like English."""
    syllables = rng.choice([1, 1, 2, 2, 3])
    parts = [rng.choice(ONSETS) + rng.choice(VOWELS) + rng.choice(CODAS) for _ in range(syllables)]
    return "".join(parts) + rng.choice(ENDINGS)


def line(rng, words):
    """A line of text. The first words of `words` are the most frequent."""
    chosen = []
    for _ in range(rng.randint(4, 12)):
        kind = rng.random()
        if kind < 0.85:
            chosen.append(words[int(len(words) * rng.random() ** 3)])
        elif kind < 0.97:
            chosen.append(rng.choice(rng.choice([ACCENTED, CJK, CONTRACTIONS])))
        elif kind < 0.985:
            chosen.append(str(rng.randint(0, 2000)))
        else:
            chosen.append(rng.choice(EMOJI))
        if rng.random() < 0.08:
            chosen[-1] += ","
    chosen[0] = chosen[0][:1].upper() + chosen[0][1:]
    return " ".join(chosen) + rng.choice(ENDS)


def unicode_string(rng):
    """Random characters of random blocks."""
    characters = []
    for _ in range(rng.randint(1, 14)):
        first, last = rng.choice(BLOCKS)
        character = chr(rng.randint(first, last))
        if unicodedata.ucd_3_2_0.category(character) != "Cn":
            characters.append(character)
    return "".join(characters)


def piece(rng, words):
    kind = rng.random()
    if kind < 0.6:
        text = rng.choice(words)
        return rng.choice([text, text, text.upper(), text.title(), text[: rng.randint(1, len(text))]])
    if kind < 0.7:
        return rng.choice(rng.choice([ACCENTED, CJK, CONTRACTIONS, EMOJI]))
    if kind < 0.8:
        return unicode_string(rng)
    if kind < 0.9:
        return str(rng.randint(0, 99999))
    return "".join(rng.choice("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") for _ in range(rng.randint(1, 4)))


def string(rng, words, lines):
    kind = rng.random()
    if kind < 0.2:
        return rng.choice(lines)
    if kind < 0.4:
        return unicode_string(rng)
    if kind < 0.45:
        return "".join(rng.choice(SPACES) for _ in range(rng.randint(0, 5)))
    parts = []
    for _ in range(rng.randint(1, 7)):
        parts += [piece(rng, words), rng.choice([" "] * 12 + [""] * 4 + SPACES)]
    return "".join(parts if rng.random() < 0.3 else parts[:-1])


def byte_level_bpe(lines):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    return tokenizer


def word_piece(lines):
    """The trainer numbers the tokens ##a, ##b and so on in an order that changes from run to run, and breaks ties by
    number. As special tokens they have a fixed order. Afterwards they become plain tokens."""
    split = pre_tokenizers.Whitespace()
    words = [word for line in lines for word, _ in split.pre_tokenize_str(line)]
    characters = sorted({"##" + character for word in words for character in word[1:]})
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = split
    options = {"vocab_size": 500, "special_tokens": ["[UNK]", *characters], "show_progress": False}
    tokenizer.train_from_iterator(lines, trainers.WordPieceTrainer(**options))

    plain = Tokenizer(models.WordPiece(tokenizer.get_vocab(), unk_token="[UNK]"))
    plain.add_special_tokens(["[UNK]"])
    plain.pre_tokenizer = split
    plain.decoder = decoders.WordPiece()
    return plain


def unigram(lines):
    """The trainer gives rare characters the lowest score, plus multiples of 0.0001 in an order that changes from run
    to run. Here all of them have the lowest score. Rounding removes the noise of sums in a changing order."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    options = {"vocab_size": 400, "unk_token": "<unk>", "special_tokens": ["<unk>"], "show_progress": False}
    tokenizer.train_from_iterator(lines, trainers.UnigramTrainer(**options))

    special, *pieces = json.loads(tokenizer.to_str())["model"]["vocab"]
    lowest = min(score for _, score in pieces)
    highest = lowest + 1e-4 * len(pieces)
    pieces = [(token, round(lowest if score < highest else score, 6)) for token, score in pieces]
    pieces.sort(key=lambda piece: (-piece[1], piece[0]))
    canonical = Tokenizer(models.Unigram([tuple(special), *pieces], unk_id=0))
    canonical.add_special_tokens(["<unk>"])
    canonical.pre_tokenizer = pre_tokenizers.Metaspace()
    canonical.decoder = decoders.Metaspace()
    return canonical


def trained(make, lines, size):
    """The text of the trained tokenizer's tokenizer.json."""
    tokenizer = make(lines)
    if tokenizer.get_vocab_size() != size:
        raise ValueError(f"{make.__name__} has {tokenizer.get_vocab_size()} tokens, expected {size}")
    return tokenizer.to_str(pretty=False)


def golden():
    rng = random.Random(SEED)
    words = list(dict.fromkeys(word(rng) for _ in range(700)))
    lines = [line(rng, words) for _ in range(LINES)]
    strings = dict.fromkeys(FIXED)
    while len(strings) < STRINGS:
        strings[string(rng, words, lines)] = None
    strings = list(strings)
    makers = {"byte-level-bpe": (byte_level_bpe, 600), "word-piece": (word_piece, 500), "unigram": (unigram, 400)}
    texts = {name: trained(make, lines, size) for name, (make, size) in makers.items()}
    ids, decoded = {}, {}
    for name, text in texts.items():
        # A reader of the file has only what the JSON holds.
        tokenizer = Tokenizer.from_str(text)
        ids[name] = [tokenizer.encode(string, add_special_tokens=False).ids for string in strings]
        decoded[name] = [tokenizer.decode(numbers) for numbers in ids[name]]
    if decoded["byte-level-bpe"] != strings:
        raise ValueError("the byte-level tokenizer is not lossless")
    tokenizers = [{"name": name, "json": text} for name, text in texts.items()]
    return {"tokenizers": tokenizers, "strings": strings, "ids": ids, "decoded": decoded}


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else __file__)
    content = golden()
    if len(sys.argv) > 1:
        for tokenizer in content["tokenizers"]:
            (folder / tokenizer["name"]).mkdir(parents=True, exist_ok=True)
            (folder / tokenizer["name"] / "tokenizer.json").write_text(tokenizer["json"], encoding="utf-8")
    else:
        folder = folder.parent
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=buffer, mtime=0) as file:
        file.write(text.encode())
    (folder / "tokenizers_golden.json.gz").write_bytes(buffer.getvalue())


if __name__ == "__main__":
    main()

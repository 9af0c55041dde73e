// The split patterns character by character: the specification, and what windows leave over.
//
// Qwen2, Qwen3.5 and Llama 3 (the cl100k family), the alternatives in order: contractions; `[^\r\n\p{L}\p{N}]?\p{L}+`; `\p{N}` up
// to the limit; ` ?[^\s\p{L}\p{N}]+[\r\n]*`; `\s*[\r\n]+`; `\s+(?!\S)`; `\s+`. GPT-2: contractions (case-sensitive); ` ?\p{L}+`;
// ` ?\p{N}+`; ` ?[^\s\p{L}\p{N}]+`; `\s+(?!\S)`; `\s+`. SmolLM2 isolates every numeric character first, so that GPT-2's pattern
// sees the end of the text there: "a  1" gives "a", "  ", "1".
#include "scan.h"

#include <string.h>

typedef struct {
    const qt_scan *scan;
    uint8_t seen, last_flags;
    size_t last_end;
} cursor;

typedef struct {
    unsigned kind, length, flags;
} character;

QT_INLINE character look(cursor *c, size_t index) {
    const qt_scan *scan = c->scan;
    unsigned length;
    uint32_t value = qt_decode(scan->text, index, scan->end, &length);
    if (value < 0x80) return (character){scan->flags[value] & QT_CLASS_MASK, 1, scan->flags[value]};
    if (value == QT_INVALID) return (character){QT_OTHER, 1, 0};
    uint8_t found = scan->flags[value];
    c->seen |= found;
    if (index == c->last_end && found & c->last_flags & QT_NON_STARTER) c->seen |= QT_SUSPECT;
    c->last_flags = found;
    c->last_end = index + length;
    return (character){found & QT_CLASS_MASK, length, found};
}

// The character behind a piece may compose with its last.
QT_INLINE size_t note(cursor *c, size_t index) {
    if (index < c->scan->end && c->scan->text[index] >= 0x80) look(c, index);
    return index;
}

// How many of eight bytes, from the first on, are ASCII letters.
QT_INLINE unsigned letter_count(const uint8_t *bytes) {
    uint64_t word;
    memcpy(&word, bytes, 8);
    const uint64_t ones = 0x0101010101010101;
    uint64_t lower = (word | 0x20 * ones) & 0x7F * ones;
    // The top bit of each byte: at least "a", beyond "z".
    uint64_t others = ~((lower + 0x1F * ones) & ~(lower + 0x05 * ones) & ~word) & 0x80 * ones;
    return others ? (unsigned)__builtin_ctzll(others) >> 3 : 8;
}

// End of the run of characters whose class is in the set `classes` and that have none of the flags `stops`.
QT_INLINE size_t end_of_run(cursor *c, size_t index, unsigned classes, unsigned stops) {
    const qt_scan *scan = c->scan;
    while (index < scan->end) {
        if (classes >> QT_LETTER & 1)
            while (index + 8 <= scan->end) {
                unsigned count = letter_count(scan->text + index);
                index += count;
                if (count < 8) break;
            }
        if (index >= scan->end) break;
        character next = look(c, index);
        if (!(classes >> next.kind & 1) || next.flags & stops) return index;
        index += next.length;
    }
    return index;
}

QT_INLINE int is_newline(uint8_t byte) { return byte == '\n' || byte == '\r'; }

// A run of white space from `start`: `\s*[\r\n]+` ends at the last newline (not in GPT-2's pattern), `\s+(?!\S)` leaves the last
// character to the next piece unless the run is followed by one of the flags `stops`, which stand for the end of the text.
QT_INLINE size_t end_of_white_space(cursor *c, size_t start, int ends_at_newlines, unsigned stops) {
    const uint8_t *text = c->scan->text;
    size_t end = c->scan->end;
    int is_followed = 0;
    const uint64_t spaces = 0x2020202020202020;
    size_t index = start, last = start, after_newline = 0;
    while (index < end) {
        if (index + 8 <= end && memcmp(text + index, &spaces, 8) == 0) {
            last = index + 7;
            index += 8;
            continue;
        }
        character next = look(c, index);
        is_followed = next.kind != QT_SPACE && !(next.flags & stops);
        if (next.kind != QT_SPACE) break;
        last = index;
        if (is_newline(text[index])) after_newline = index + 1;
        index += next.length;
    }
    if (ends_at_newlines && after_newline) return after_newline;
    return is_followed && last > start ? last : index;
}

QT_INLINE size_t cl100k(cursor *c, size_t start, int marks_join, int max_digits) {
    const qt_scan *scan = c->scan;
    const uint8_t *text = scan->text;
    unsigned word = 1u << QT_LETTER | (marks_join ? 1u << QT_MARK : 0);
    unsigned symbol = 1u << QT_OTHER | (marks_join ? 0 : 1u << QT_MARK);
    character first = look(c, start);
    size_t index = start + first.length;
    if (word >> first.kind & 1) return end_of_run(c, index, word, 0);
    if (first.kind == QT_NUMBER) {
        for (int digits = 1; index < scan->end && digits < max_digits; digits++) {
            character next = look(c, index);
            if (next.kind != QT_NUMBER) return index;
            index += next.length;
        }
        return note(c, index);
    }
    if (text[start] == '\'') {
        size_t length = qt_contraction(text, start, scan->end, 1);
        if (length) return note(c, start + length);
    }
    if (index >= scan->end) return index;
    if (is_newline(text[start])) return end_of_white_space(c, start, 1, 0);
    character second = look(c, index);
    if (word >> second.kind & 1) return end_of_run(c, index + second.length, word, 0);
    if (first.kind == QT_SPACE) {
        if (second.kind == QT_SPACE) return end_of_white_space(c, start, 1, 0);
        if (text[start] != ' ' || !(symbol >> second.kind & 1)) return index;
    }
    index = end_of_run(c, index, symbol, 0);
    while (index < scan->end && is_newline(text[index])) index++;
    return note(c, index);
}

// With `isolated` QT_DIGIT, such characters are pieces of their own and the pattern sees the end of the text before them.
QT_INLINE size_t gpt2(cursor *c, size_t start, unsigned isolated) {
    const uint8_t *text = c->scan->text;
    size_t end = c->scan->end;
    character first = look(c, start);
    if (first.flags & isolated) return start + first.length;
    if (text[start] == '\'') {
        size_t length = qt_contraction(text, start, end, 0);
        if (length) return start + length;
    }
    size_t index = start + first.length;
    if (text[start] == ' ' && index < end) {
        character second = look(c, index);
        if (second.kind != QT_SPACE && !(second.flags & isolated)) {
            first = second;
            index += second.length;
        }
    }
    if (first.kind == QT_SPACE) return end_of_white_space(c, start, 0, isolated);
    unsigned classes = first.kind == QT_LETTER || first.kind == QT_NUMBER ? 1u << first.kind : 1u << QT_OTHER | 1u << QT_MARK;
    return end_of_run(c, index, classes, isolated);
}

size_t qt_next_piece(const qt_scan *scan, size_t start, uint8_t *seen) {
    cursor c = {scan, 0, 0, (size_t)-1};
    size_t end = start;
    switch (scan->family) {
        case QT_QWEN2: end = cl100k(&c, start, 0, 1); break;
        case QT_QWEN35: end = cl100k(&c, start, 1, 1); break;
        case QT_LLAMA3: end = cl100k(&c, start, 0, 3); break;
        case QT_GPT2: end = gpt2(&c, start, 0); break;
        case QT_SMOLLM2: end = gpt2(&c, start, QT_DIGIT); break;
    }
    *seen |= c.seen;
    return end;
}

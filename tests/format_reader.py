"""A second reader of the store's parts, written from docs/format.md alone: what two readers agree on is what the page says.

    format_reader.py FILE...

It checks every checksum and every table against the rows, and prints one line per row: org, app, time, pos, region, instance,
host, boot, seq, span, kind, the message in hex, then name=value in hex for each further field, sorted. It needs zstd: the module of
Python 3.14, or the package zstandard.
"""

import struct
import sys
import zlib
from collections import Counter

try:
    from compression import zstd

    def unzstd(data, size):
        return zstd.decompress(data)
except ImportError:
    import zstandard

    def unzstd(data, size):
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=size)


def check(fact, what):
    if not fact:
        raise SystemExit("not as docs/format.md says: " + what)


class Bytes:
    """Bytes that are taken from the front."""

    def __init__(self, data):
        self.data, self.at = bytes(data), 0

    def take(self, count):
        check(self.at + count <= len(self.data), "a piece that ends early")
        self.at += count
        return self.data[self.at - count:self.at]

    def rest(self):
        return self.take(len(self.data) - self.at)

    def done(self):
        return self.at == len(self.data)

    def u8(self):
        return self.take(1)[0]

    def u16(self):
        return struct.unpack("<H", self.take(2))[0]

    def u32(self):
        return struct.unpack("<I", self.take(4))[0]

    def u64(self):
        return struct.unpack("<Q", self.take(8))[0]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.u8()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def block(self):
        return self.take(self.varint())

    def text(self):
        return self.block().decode()


def unpress(data):
    data = Bytes(data)
    method, size = data.u8(), data.varint()
    body = data.rest()
    check(method in (0, 1), "a method")
    out = unzstd(body, size) if method == 1 else body
    check(len(out) == size, "a pressed length")
    return out


U64 = (1 << 64) - 1


def zigzag(value):
    return (value >> 1) ^ -(value & 1)


def numbers(data, count):
    data = Bytes(data)
    form = data.u8()
    if form == 0:
        value = data.varint()
        check(data.done(), "const numbers")
        return [value] * count
    if form == 1:
        width, least = data.u8(), data.varint()
        planes = unpress(data.rest())
        check(len(planes) == width * count, "planes")
        return [(least + sum(planes[p * count + i] << 8 * p for p in range(width))) & U64 for i in range(count)]
    if form == 2:
        bits, least = data.u8(), data.varint()
        packed, per = unpress(data.rest()), 8 // bits
        check(len(packed) == -(-count // per), "bits")
        return [least + (packed[i // per] >> i % per * bits & (1 << bits) - 1) for i in range(count)]
    check(form in (3, 4), "a form of numbers")
    values = [data.varint()]
    step = data.varint() if form == 3 else 1
    for delta in numbers(data.rest(), count - 1):
        values.append((values[-1] + (delta * step if form == 3 else zigzag(delta))) & U64)
    return values


def plain(data, rows):
    data = Bytes(data)
    form = data.u8()
    if form == 1:
        lengths = numbers(data.block(), rows)
        body = Bytes(unpress(data.rest()))
        values = [body.take(length) for length in lengths]
        check(body.done(), "lengths")
        return values
    check(form == 2, "a plain form")
    stop = data.take(1)
    values = unpress(data.rest()).split(stop)
    check(values.pop() == b"" and len(values) == rows, "lines")
    return values


def texts(data, rows):
    form = data[0]
    if form == 0:
        return [data[1:]] * rows
    if form in (1, 2):
        return plain(data, rows)
    data = Bytes(data[1:])
    if form == 3:
        count = data.varint()
        values = plain(data.block(), count)
        return [values[code] for code in numbers(data.rest(), rows)]
    check(form == 4, "a form of texts")
    return split(data, rows)


def split(data, rows):
    count = data.varint()
    templates, ids = plain(data.block(), count), numbers(data.block(), rows)
    forms, digits, words, lines, codes = (Bytes(unpress(data.block())) for _ in range(5))
    used = Counter(ids)

    def line():
        end = lines.data.index(b"\n", lines.at)
        value = lines.take(end - lines.at)
        lines.take(1)
        return value

    def slot(n):
        form, number = forms.u8(), forms.varint()
        if form == 0:
            return [line()] * n
        if form in (1, 2):
            planes = (digits if form == 1 else words).take(number * n)
            return [planes[i::n] for i in range(n)]
        if form == 3:
            return [line() for _ in range(n)]
        check(form == 4, "a form of a slot")
        values = [line() for _ in range(number)]
        return [values[code] for code in codes.take(n)]

    made = []
    for number, template in enumerate(templates):
        pieces = template.split(b"\x11")
        slots = [slot(used[number]) for _ in pieces[1:]]
        made.append(iter([b"".join(x for pair in zip(pieces, values + (b"",)) for x in pair)
                          for values in (zip(*slots) if slots else [()] * used[number])]))
    check(all(stream.done() for stream in (forms, digits, words, lines, codes)), "streams that are used up")
    made.append(iter(plain(data.rest(), used[count])))
    return [next(made[number]) for number in ids]


def time(value):
    return value - (1 << 63)


def frame(data):
    data = Bytes(data)
    size, crc = data.u32(), data.u32()
    header = data.take(size)
    check(zlib.crc32(header) == crc, "a header's CRC")
    header = Bytes(unpress(header))
    org, app, rows = header.text(), header.text(), header.varint()
    sources = [(header.text(), header.text(), header.text(), header.u64()) for _ in range(header.varint())]
    columns, named = {}, {}
    for _ in range(header.varint()):
        number = header.varint()
        name = header.text() if number == 7 else None
        size, crc = header.varint(), header.u32()
        column = data.take(size)
        check(zlib.crc32(column) == crc, "a column's CRC")
        if name is None:
            columns[number] = column
        else:
            named[name] = texts(column, rows)
    check(header.done() and data.done(), "a frame's length")
    refs = numbers(columns[2], rows)
    spans = [span + 1 for span in numbers(columns[4], rows)] if 4 in columns else [1] * rows
    block = Bytes(columns[3])
    expected, seqs = numbers(block.block(), len(sources)), []
    for ref, span, residual in zip(refs, spans, numbers(block.rest(), rows)):
        seqs.append((expected[ref] + zigzag(residual)) & U64)
        expected[ref] = (seqs[-1] + span) & U64
    block = Bytes(columns[5])
    kinds = [block.u16() for _ in range(block.varint())]
    kinds = [kinds[code] for code in numbers(block.rest(), rows)]
    times, pos, messages = map(time, numbers(columns[0], rows)), numbers(columns[1], rows), texts(columns[6], rows)
    for i, row in enumerate(zip(times, pos, refs, seqs, spans, kinds, messages)):
        when, place, ref, seq, span, kind, message = row
        fields = sorted((name, values[i]) for name, values in named.items() if values[i])
        yield org, app, when, place, sources[ref], seq, span, kind, message, fields


def tables(data):
    data = Bytes(unpress(data))
    data.varint()
    numbers(data.block(), 12)
    apps = [(data.text(), data.text(), data.u64(), data.varint(), data.varint(), data.u32()) for _ in range(data.varint())]
    streams = [(data.varint(), data.text(), data.text(), data.text()) for _ in range(data.varint())]
    sources = [(data.varint(), data.u64()) for _ in range(data.varint())]
    count = data.varint()
    columns = [numbers(data.block(), count) for _ in range(11)]
    total = data.varint()
    lists = iter(numbers(data.block(), total))
    frames = [list(column) + [[next(lists) for _ in range(column[10])]] for column in zip(*columns)]
    groups = []
    for _ in range(data.varint()):
        at, probes, members = data.u64(), data.u32(), data.varint()
        groups.append((at, probes, numbers(data.block(), members)))
    check(data.done(), "the tables' length")
    return apps, streams, sources, frames, groups


def pages(part, at, bits):
    """Checks the pages of token filters."""
    for size in sorted(set(bits) - {0}):
        left = -(-size * bits.count(size) // 8)
        while left > 0:
            page = part[at:at + min(left, 4096)]
            at += len(page) + 4
            left -= len(page)
            check(struct.pack("<I", zlib.crc32(page)) == part[at - 4:at], "a page's CRC")


def read(part):
    magic = b"LWPART\r\n"
    check(part[:16] == magic + struct.pack("<II", 1, 0), "the beginning")
    at, size, crc, version, own, zeros = struct.unpack("<QQIIII", part[-40:-8])
    check(part[-8:] == magic and zlib.crc32(part[-40:-16]) == own and zeros == 0 and version == 1, "the footer")
    check(at + size == len(part) - 40 and zlib.crc32(part[at:at + size]) == crc, "the tables' CRC")
    apps, streams, sources, frames, groups = tables(part[at:at + size])
    begin, pieces = 16, {}
    while begin < len(part) - 40:
        head = part[begin:begin + 16]
        length, crc = struct.unpack("<QI", head[4:])
        check(zlib.crc32(head[:12]) == crc, "a head's CRC")
        pieces[begin + 16] = head[:4], length
        begin += 16 + length
    counted = Counter()
    for app, place, length, rows, first, last, low, high, _, levels, _, members in frames:
        check(pieces.pop(place) == (b"LWfr", length), "a frame's head")
        found = list(frame(part[place:place + length]))
        times, pos = [row[2] for row in found], [row[3] for row in found]
        check(len(found) == rows and times == sorted(times), "the rows of a frame")
        check((min(times), max(times)) == (time(first), time(first) + last), "the times of a frame")
        check((min(pos), max(pos)) == (low, low + high), "the positions of a frame")
        check(levels == sum(1 << level for level in {row[7] & 3 for row in found}), "the levels of a frame")
        known = {streams[sources[member][0]][1:] + (sources[member][1],) for member in members}
        check({row[4] for row in found} <= known, "the sources of a frame")
        for row in found:
            check(row[:2] == apps[app][:2], "the app of a frame")
            counted[app, row[4][:3], row[2] // 60_000_000_000, row[7] & 3] += 1
            yield row
    for app, (_, _, place, length, cells, crc) in enumerate(apps):
        check(pieces.pop(place) == (b"LWct", length), "the head of counts")
        block = Bytes(part[place:place + length])
        check(zlib.crc32(block.data) == crc, "the CRC of counts")
        for minute, stream, level, count in zip(*(numbers(block.block(), cells) for _ in range(4))):
            check(streams[stream][0] == app, "the stream of a count")
            counted[app, streams[stream][1:], time(minute), level] -= count
    check(not any(counted.values()), "the counts")
    for place, probes, bits in groups:
        check(pieces.pop(place)[0] == b"LWtf" and probes == 8, "the head of token filters")
        pages(part, place, bits)
    check(sum(len(bits) for _, _, bits in groups) == len(frames), "a token filter for each frame")
    check(list(pieces.values()) == [(b"LWtb", size)], "nothing else in the file")


def main():
    for name in sys.argv[1:]:
        with open(name, "rb") as file:
            for org, app, when, pos, source, seq, span, kind, message, fields in read(file.read()):
                region, instance, host, boot = source
                line = [org, app, when, pos, region, instance, host, "%016x" % boot, seq, span, kind, message.hex()]
                print(*line, *("%s=%s" % (name, value.hex()) for name, value in fields))


if __name__ == "__main__":
    main()

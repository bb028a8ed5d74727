"""Structures of Thrift's compact protocol as trees that tests change and write again, sensible or not."""

import copy

TRUE, FALSE, BYTE, I32, I64, DOUBLE, BINARY, LIST, STRUCT = 1, 2, 3, 5, 6, 7, 8, 9, 12
INTEGERS = (4, I32, I64)
EDGES = [0, 1, -1, 2, 3, 7, 15, 16, 127, 128, 255, 1000, 1 << 16, 1 << 20, (1 << 31) - 1, -(1 << 31), 1 << 40]
EDGES += [(1 << 63) - 1, -(1 << 63)]


def varint(number):
    """Return an unsigned number, seven bits a byte."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def parse(data):
    """Return a structure: a list of [number, type, value] fields; a list is [type, values, length or None]."""
    return _value(data, 0, STRUCT)[0]


def _unsigned(data, at):
    number = shift = 0
    while True:
        byte, at = data[at], at + 1
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return number, at


def _value(data, at, kind):
    if kind in (TRUE, FALSE):
        return None, at
    if kind == BYTE:
        return data[at], at + 1
    if kind in INTEGERS:
        number, at = _unsigned(data, at)
        return (number >> 1) ^ -(number & 1), at
    if kind == DOUBLE:
        return data[at : at + 8], at + 8
    if kind == BINARY:
        length, at = _unsigned(data, at)
        return data[at : at + length], at + length
    return _list(data, at) if kind == LIST else _struct(data, at)


def _list(data, at):
    length, kind = data[at] >> 4, data[at] & 15
    at += 1
    if length == 15:
        length, at = _unsigned(data, at)
    values = []
    for _ in range(length):
        value, at = (data[at], at + 1) if kind in (TRUE, FALSE) else _value(data, at, kind)
        values.append(value)
    return [kind, values, None], at


def _struct(data, at):
    fields, number = [], 0
    while head := data[at]:
        at += 1
        if head >> 4:
            number += head >> 4
        else:
            number, at = _value(data, at, I32)
        value, at = _value(data, at, head & 15)
        fields.append([number, head & 15, value])
    return fields, at + 1


def write(value, kind=STRUCT):
    """Return a value of a tree as bytes; a list may state another length than it has."""
    if value is None:
        return b""
    if kind == BYTE:
        return bytes([value & 255])
    if kind in INTEGERS:
        return varint((value << 1 ^ value >> 63) & (1 << 64) - 1)
    if kind == DOUBLE:
        return value
    if kind == BINARY:
        return varint(len(value)) + value
    if kind == LIST:
        inner, values, length = value
        length = len(values) if length is None else length
        head = bytes([length << 4 | inner]) if length < 15 else bytes([0xF0 | inner]) + varint(length)
        return head + b"".join(bytes([x]) if inner in (TRUE, FALSE) else write(x, inner) for x in values)
    out, last = b"", 0
    for number, inner, part in value:
        step, last = number - last, number
        out += bytes([step << 4 | inner]) if 0 < step < 16 else bytes([inner]) + write(number, I32)
        out += write(part, inner)
    return out + b"\0"


def parts(value, kind=STRUCT):
    """Return every structure, field, list and item of a tree."""
    found = []
    if kind == STRUCT:
        found.append(("struct", value))
        for part in value:
            found += [("field", part), *parts(part[2], part[1])]
    elif kind == LIST:
        found.append(("list", value))
        for i, part in enumerate(value[1]):
            found += [("item", (value, i)), *parts(part, value[0])]
    return found


def change(tree, random):
    """Change a tree in one to three places: fields go, come again or say something else; lists lie."""
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        kind, part = random.choice(parts(tree))
        if kind == "struct" and part:
            _change_struct(part, random)
        elif kind == "field":
            _change_field(part, random)
        elif kind == "list":
            _change_list(part, random)
        elif kind == "item":
            _change_item(*part, random)


def _number(value, random):
    return random.choice([*EDGES, value + 1, value - 1, 2 * value, -value, random.randrange(64)])


def _change_struct(fields, random):
    if random.random() < 0.6:
        del fields[random.randrange(len(fields))]
    else:
        fields.insert(random.randrange(len(fields) + 1), copy.deepcopy(random.choice(fields)))


def _change_field(part, random):
    number, kind, value = part
    if kind in INTEGERS:
        part[2] = _number(value, random)
    elif kind in (TRUE, FALSE):
        part[1] = TRUE + FALSE - kind
    elif kind == BINARY:
        part[2] = random.choice([b"", value[1:], value * 2, value * 100, bytes(random.choices(range(256), k=4)), b"p1"])
    elif random.random() < 0.3:
        part[0] = random.randrange(1, 20)
    assert number > 0


def _change_list(part, random):
    _, values, _ = part
    way = random.randrange(5)
    if way == 0:
        del values[random.randrange(len(values) + 1) :]
    elif way == 1:
        values += [copy.deepcopy(random.choice(values))] if values else []
    elif way == 2:
        values += copy.deepcopy(values) * random.choice([1, 3, 50])
    elif way == 3:
        random.shuffle(values)
    else:
        part[2] = random.choice([0, 1, 100, 10_000, 1 << 20, (1 << 31) - 1])


def _change_item(part, i, random):
    kind, values, _ = part
    if kind in INTEGERS:
        values[i] = _number(values[i], random)
    elif kind == BINARY:
        values[i] = random.choice([b"", b"a", values[i] * 2])
    elif kind == STRUCT:
        values[i] = copy.deepcopy(random.choice(values)) if random.random() < 0.5 else []

"""Speaks to the gateway over TLS byte by byte, as somebody in the middle would. Prints a JSON object.

tls_by_hand.py PORT HOW
"""

import base64
import hashlib
import json
import socket
import ssl
import struct
import sys

port, how = int(sys.argv[1]), sys.argv[2]
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE


def message(kind, body):
    return kind + struct.pack("!i", len(body) + 4) + body


def receive(stream, count):
    data = b""
    while len(data) < count:
        more = stream.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def read(stream):
    kind = receive(stream, 1)
    (length,) = struct.unpack("!i", receive(stream, 4))
    return kind, receive(stream, length - 4)


def error(body):
    fields = [field for field in body.split(b"\0") if field]
    return {field[:1].decode(): field[1:].decode() for field in fields}


def first(stream, mechanism, header):
    startup = struct.pack("!i", 196608) + b"user\0agent\0database\0billing\0\0"
    stream.sendall(struct.pack("!i", len(startup) + 4) + startup)
    kind, body = read(stream)
    if kind != b"R":
        return kind, body
    answer["offered"] = [name.decode() for name in body[4:].split(b"\0") if name]
    text = header + b"n=,r=" + b"x" * 24
    stream.sendall(message(b"p", mechanism + b"\0" + struct.pack("!i", len(text)) + text))
    return read(stream)


answer = {}
raw = socket.create_connection(("127.0.0.1", port))
raw.settimeout(10)
if how in ("downgrade", "other_channel", "right_channel", "late_alpn"):
    raw.sendall(struct.pack("!ii", 8, 80877103))
    answer["tls"] = raw.recv(1).decode()
if how in ("direct", "right_channel", "late_alpn"):
    context.set_alpn_protocols(["postgresql"])
elif how == "wrong_alpn":
    context.set_alpn_protocols(["http/1.1"])
try:
    stream = context.wrap_socket(raw, server_hostname="localhost")
    answer["alpn"] = stream.selected_alpn_protocol()
    if how == "downgrade":
        kind, body = first(stream, b"SCRAM-SHA-256", b"y,,")
    else:
        kind, body = first(stream, b"SCRAM-SHA-256-PLUS", b"p=tls-server-end-point,,")
        answer["begun"] = kind == b"R"
        nonce = body[4:].split(b",")[0] if kind == b"R" else b""
        bound = hashlib.sha256(stream.getpeercert(True)).digest()
        if how == "other_channel":
            bound = hashlib.sha256(b"another certificate").digest()
        if kind == b"R":
            said = base64.b64encode(b"p=tls-server-end-point,," + bound)
            last = b"c=" + said + b"," + nonce + b",p=" + base64.b64encode(b"\0" * 32)
            stream.sendall(message(b"p", last))
            kind, body = read(stream)
    if kind == b"E":
        answer["error"] = error(body)
except ssl.SSLError as failed:
    answer["ssl"] = failed.reason
except (EOFError, OSError) as failed:
    answer["closed"] = True
print(json.dumps(answer))

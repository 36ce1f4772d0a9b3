"""Takes TLS that begins without a request, as PostgreSQL 17 does, and passes on what is in it.

tls_terminator.py CERTIFICATE KEY TARGET_PORT ALPN      ALPN may be empty

Prints the port on which it listens. Ends with its standard input.
"""

import socket
import ssl
import sys
import threading

certificate, key, target, alpn = sys.argv[1:]
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(certificate, key)
if alpn:
    context.set_alpn_protocols([alpn])
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)


def pump(source, sink):
    try:
        while data := source.recv(16384):
            sink.sendall(data)
    except OSError:
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(raw):
    try:
        near = context.wrap_socket(raw, server_side=True)
    except OSError:
        return
    far = socket.create_connection(("127.0.0.1", int(target)))
    threading.Thread(target=pump, args=(near, far), daemon=True).start()
    pump(far, near)


def accept():
    while True:
        raw, _ = listener.accept()
        threading.Thread(target=serve, args=(raw,), daemon=True).start()


threading.Thread(target=accept, daemon=True).start()
sys.stdin.read()

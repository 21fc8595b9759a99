"""A shop that asks another service for its prices. One script plays both."""
import http.server, os, sys, urllib.request

PRICES_URL = os.environ.get("PRICES_URL")
last = b'{"price": 42}'

class Shop(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        global last
        try:
            last = urllib.request.urlopen(PRICES_URL, timeout=0.2).read() if PRICES_URL else last
        except OSError:
            pass  # the last price we saw is better than none
        self.send_response(200)
        self.send_header("Content-Length", str(len(last)))
        self.end_headers()
        self.wfile.write(last)

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Shop).serve_forever()

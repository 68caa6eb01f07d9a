"""An SMTP server that is not ours: STARTTLS (or TLS from the start), AUTH, and each mail as a line of JSON on stdout."""

import json
import ssl
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

mode, port, certificate, key = sys.argv[1:5]


class Handler:
    async def handle_DATA(self, server, session, envelope):
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "content": envelope.original_content.decode("ascii"),
            "tls": mode == "implicit" or session.ssl is not None,
            "authenticated": session.authenticated,
        }
        print(json.dumps(mail), flush=True)
        return "250 2.0.0 taken"


def authenticate(server, session, envelope, mechanism, auth_data):
    right = LoginPassword(b"user@ireva", b"p:a/ss@w%rd")
    return AuthResult(success=auth_data == right, handled=auth_data == right)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
common = {"hostname": "127.0.0.1", "port": int(port), "authenticator": authenticate, "auth_required": True}
if mode == "implicit":
    controller = Controller(Handler(), ssl_context=context, auth_require_tls=False, **common)
else:
    controller = Controller(Handler(), tls_context=context, require_starttls=True, **common)

controller.start()
print("ready", flush=True)
threading.Event().wait()

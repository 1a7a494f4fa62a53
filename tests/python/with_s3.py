"""Runs a command with a real S3 server on loopback: BOATHOUSE_TEST_S3_ENDPOINT names it, and the bucket
`boathouse-test` is there. Usage: with_s3.py COMMAND ARGUMENT…"""

import os
import pathlib
import socket
import subprocess
import sys
import time

import s3_store
from server_process import free_port


def main():
    port = free_port()
    program = pathlib.Path(__file__).with_name("s3_server.py")
    moto = subprocess.Popen(
        [sys.executable, str(program), "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        endpoint = f"http://127.0.0.1:{port}"
        s3_store.make_bucket(endpoint, "boathouse-test")
        return subprocess.call(sys.argv[1:], env={**os.environ, "BOATHOUSE_TEST_S3_ENDPOINT": endpoint})
    finally:
        moto.kill()
        moto.wait()


if __name__ == "__main__":
    sys.exit(main())

"""moto's S3 server with a conditional PUT that is one step, as that of S3 is: moto looks and then writes, and two that come at
the same time would both succeed."""

import threading

from moto.s3.responses import S3Response
from moto.server import main

ONE_AT_A_TIME = threading.Lock()
put_object = S3Response.put_object


def put_object_in_one_step(response):
    with ONE_AT_A_TIME:
        return put_object(response)


S3Response.put_object = put_object_in_one_step

if __name__ == "__main__":
    main()

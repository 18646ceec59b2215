"""`python -m tests.bench.raw_client KUBECONFIG NAMESPACE CLUSTERS`: the requests of one_task, and nothing else.

A process of its own, as that one is. Prints the seconds from the first accepted Deployment to the last, as JSON.
"""

from __future__ import annotations

import http.client
import json
import ssl
import sys
import time
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.one_task import CONCURRENCY, clusters

APPLY = "fieldManager=raw&fieldValidation=Strict&force=true"


def send(kubeconfig: str, namespace: str, count: int) -> list[float]:
    """Apply the Deployments, some at a time; return when each was accepted."""
    config = json.loads(Path(kubeconfig).read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    trust = ssl.create_default_context(cadata=b64decode(cluster["certificate-authority-data"]).decode())
    headers = {"Authorization": f"Bearer {user['token']}", "Content-Type": "application/apply-patch+yaml"}
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    objects = iter(clusters(namespace, count))
    accepted: list[float] = []

    def work(_worker: int) -> None:
        connection = http.client.HTTPSConnection(urlsplit(cluster["server"]).netloc, context=trust)
        for obj in objects:
            connection.request("PATCH", f"{path}/{obj['metadata']['name']}?{APPLY}", json.dumps(obj), headers)
            response = connection.getresponse()
            assert (response.status, bool(response.read())) == (http.client.CREATED, True)
            accepted.append(time.monotonic())
        connection.close()

    with ThreadPoolExecutor(CONCURRENCY) as pool:
        list(pool.map(work, range(CONCURRENCY)))
    return accepted


if __name__ == "__main__":
    times = send(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    print(json.dumps({"post": max(times) - min(times)}))

# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter C(slipway.cloud.store_targets): stores as what the publisher writes to."""

from __future__ import annotations

import typing as t
from urllib.parse import urlsplit

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: store_targets
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Make stores what the publisher writes to
description:
  - A name is that of a store of the role C(object_store), where the bucket is made and may be read by its policy.
  - A URL is a store of others, where the bucket must be there; what is written to it is readable by its ACL.
  - The credentials are mentions, which the module M(slipway.cloud.credentials) fills in.
positional: _input, namespace, bucket, region
options:
  _input:
    description: Names, or URLs.
    type: list
    elements: str
    required: true
  namespace:
    description: Where the stores of that role run.
    type: str
    required: true
  bucket:
    description: The bucket.
    type: str
    required: true
  region:
    description: The region that requests are signed for.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show where the listing is written to
  ansible.builtin.debug:
    msg: "{{ ['object-store-0', 'https://s3.example'] | slipway.cloud.store_targets('slipway', 'pages', 'eu') }}"
"""

RETURN = r"""
_value:
  description: C(name), C(url), C(bucket), C(region), C(key), C(secret), C(privilege) and C(create) of each.
  type: list
  elements: dict
"""

PORT = 7070


def target(store: str, namespace: str) -> dict[str, t.Any]:
    """Return what differs from store to store. :raises AnsibleFilterError:"""
    if "://" not in store:
        return {"name": store, "url": f"http://{store}.{namespace}.svc:{PORT}", "privilege": "", "create": True}
    host = urlsplit(store).hostname
    if not host:
        raise AnsibleFilterError(f"{store} names no host: a store of others is given as https://s3.example")
    return {"name": host, "url": store.rstrip("/"), "privilege": "public-read", "create": False}


def store_targets(stores: t.Sequence[str], namespace: str, bucket: str, region: str) -> list[dict[str, t.Any]]:
    """Return the targets of the publisher, in the order of the stores."""
    common = {"bucket": bucket, "region": region, "key": "${access_key}", "secret": "${secret_key}"}
    return [{**target(store, namespace), **common} for store in stores]


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, t.Callable[..., object]]:
        return {"store_targets": store_targets}

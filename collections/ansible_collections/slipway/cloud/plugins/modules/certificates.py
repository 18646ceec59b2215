# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: certificates
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Keep a certificate authority and its certificates in Secrets
description:
  - What is given is taken; else what the Secrets hold is kept; else it is made, with keys of ECDSA P-256, and kept in
    the Secrets alone.
  - What was made is made anew when a third of its life or less is left, when its names or its use change, when it
    cannot be read, and when another authority signed it.
  - A new authority has a new key. The one before it stays in C(ca.crt) until it ends, and signs the new one, so that
    those who have read their Secret at different times accept each other.
options:
  days:
    description: Life of what is made. A certificate ends no later than its authority.
    type: float
    default: 365
  authority:
    description:
      - The authority. Its Secret holds C(ca.crt) and C(ca.key), and C(cross.crt) while there is an older one.
    type: dict
    required: true
    suboptions:
      secret:
        description: Name of the Secret.
        type: str
        required: true
      common_name:
        description: Common name of the subject; that of an authority gets the time added.
        type: str
        required: true
      certificate:
        description: What is to be taken instead of being made, PEM; more than one where they form a chain.
        type: str
      key:
        description:
          - The private key of O(authority.certificate), PEM without a password.
          - An authority without it signs nothing, then all certificates must be given.
        type: str
  certificates:
    description:
      - The certificates. Their Secrets, of the type C(kubernetes.io/tls), hold C(ca.crt), C(tls.crt) and C(tls.key).
    type: list
    elements: dict
    required: true
    suboptions:
      secret:
        description: Name of the Secret.
        type: str
        required: true
      common_name:
        description: Common name of the subject.
        type: str
        required: true
      certificate:
        description: What is to be taken instead of being made, PEM; more than one where they form a chain.
        type: str
      key:
        description: The private key of O(certificates[].certificate), PEM without a password.
        type: str
      dns_names:
        description: The names that it is valid for.
        type: list
        elements: str
        default: []
      usages:
        description: Whether it is for servers, for clients, or for both.
        type: list
        elements: str
        choices: [server, client]
        default: [server, client]
extends_documentation_fragment:
  - slipway.cloud.secrets
  - slipway.cloud.secrets.namespace
  - slipway.cloud.connection
  - slipway.cloud.attributes
  - slipway.cloud.attributes.action_group
  - slipway.cloud.attributes.controller
attributes:
  diff_mode:
    support: partial
    description: Shows names, ends and fingerprints of certificates, and nothing of keys.
"""

EXAMPLES = r"""
- name: Keep the certificates of a service and of its callers
  slipway.cloud.certificates:
    namespace: shop
    authority:
      secret: shop-ca
      common_name: Shop
    certificates:
      - secret: shop-tls
        common_name: shop
        dns_names: [shop.shop.svc, shop.shop.svc.cluster.local]
        usages: [server]
      - secret: shop-client
        common_name: till
        usages: [client]
"""

RETURN = r"""
certificates:
  description: What was done about each Secret, the authority first.
  returned: success
  type: list
  elements: dict
  contains:
    secret:
      description: Name of the Secret.
      type: str
    action:
      description: V(keep), V(take) what was given, or V(make).
      type: str
    reason:
      description: Why.
      type: str
      sample: another authority signed it
    changed:
      description: Whether the Secret changes; that of a certificate that is kept does when its authority changed.
      type: bool
    ends:
      description: When the authority that signs, or the certificate, ends.
      type: str
      sample: '2027-11-29T12:00:00Z'
code:
  description: What went wrong, in lower snake case.
  returned: failure
  type: str
  sample: not_ours
"""

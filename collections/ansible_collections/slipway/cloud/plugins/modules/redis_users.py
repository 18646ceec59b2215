# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_users
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Keep the passwords of the users of Redis, and change them step by step
description:
  - The Secret C(redis) holds C(username) and C(password), for those who use Redis.
  - The Secret C(redis-acl) holds what Redis, its Sentinels and agents read, C(users.acl) and C(sentinel.acl) with
    nothing but the SHA-256 of each password, and the passwords that they use among each other.
  - Of the password, what is given wins; else what the Secret C(redis) holds already, which may be anybody's; else it is
    made up.
  - A rotation is noted in the Secret C(redis-rotation), so that each phase can be taken again; there is none when all
    is done.
options:
  namespace:
    description: Where Redis runs.
    type: str
    required: true
  user:
    description: The user of those who use Redis; V(default) for those who give a password alone.
    type: str
    required: true
  password:
    description: The password. Empty means what is there, or, where there is none or by V(begin), what is made up.
    type: str
    default: ""
  phase:
    description:
      - By V(keep) all stays as it is; what is not there yet is made.
      - By V(begin) the new passwords are accepted beside the old ones. The same password again begins nothing.
      - By V(replicate) Redis, its Sentinels and agents use the new ones among each other.
      - By V(switch) the Secret C(redis) has the new one.
      - By V(finish) the old ones are accepted no longer.
    type: str
    choices: [keep, begin, replicate, switch, finish]
    default: keep
extends_documentation_fragment:
  - slipway.cloud.connection
  - slipway.cloud.attributes
  - slipway.cloud.attributes.action_group
  - slipway.cloud.attributes.controller
attributes:
  diff_mode:
    support: none
    description: It would show the values.
"""

EXAMPLES = r"""
- name: Have passwords
  slipway.cloud.redis_users:
    namespace: redis
    user: app

- name: Have another one accepted too
  slipway.cloud.redis_users:
    namespace: redis
    user: app
    password: "{{ vault_redis_password | default('') }}"
    phase: begin
"""

RETURN = r"""
secrets:
  description: Names of the Secrets that change.
  returned: success
  type: list
  elements: str
version:
  description: Changes with what Redis is to know; it is C(version) in the Secret C(redis-acl).
  returned: success
  type: str
rotating:
  description: Whether a rotation goes on.
  returned: success
  type: bool
code:
  description: What went wrong, in lower snake case.
  returned: failure
  type: str
  sample: not_ours
"""

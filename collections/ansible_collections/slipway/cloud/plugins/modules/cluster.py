# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster
author: Slipway contributors (@slipway)
version_added: 1.0.0
short_description: Create, scale, restart and delete clusters of pods, and wait for them
description:
  - A cluster is a named group of identical pods, kept as a Deployment. One task takes care of one or many.
  - Waits by watching, for all clusters of the task at once, until every pod is really available, or really gone.
  - Everything is checked before anything is changed. An object of the same name that was not made by Slipway is
    neither changed nor deleted.
options:
  state:
    description:
      - V(present) creates or changes the clusters until they are as described; to scale one, give another O(replicas).
      - V(absent) deletes them, pods and all.
      - V(restarted) replaces all pods of existing clusters, a few at a time.
      - V(absent) and V(restarted) use the names and namespaces alone.
    type: str
    choices: [present, absent, restarted]
    default: present
  name: &name
    description: Name of the cluster, a DNS label.
    type: str
  namespace: &namespace
    description: The namespace, by default that of the context. It must exist.
    type: str
  image: &image
    description: The image of the pods' container. Required to make a cluster V(present).
    type: str
  image_pull_policy: &image_pull_policy
    description: When a node pulls the image. By default the server decides, by the image's tag.
    type: str
    choices: [Always, IfNotPresent, Never]
  replicas: &replicas
    description: The number of pods. By default what it is, and 1 for a new cluster.
    type: int
  command: &command
    description: What to run instead of the image's entry point.
    type: list
    elements: str
  args: &args
    description: Arguments of the entry point.
    type: list
    elements: str
  env: &env
    description: Environment variables. Diffs show them, so they are no place for secrets.
    type: dict
    default: {}
  labels: &labels
    description: Labels of the Deployment and its pods, beside those that Slipway sets.
    type: dict
    default: {}
  node_selector: &node_selector
    description: Labels that a node must carry for a pod to be placed on it.
    type: dict
    default: {}
  resources: &resources
    description: What each pod sets aside and may use at most.
    type: dict
    default: {}
    suboptions:
      requests:
        description: What is set aside for each pod, by resource.
        type: dict
        default: {}
      limits:
        description: What each pod may use at most, by resource.
        type: dict
        default: {}
  clusters:
    description:
      - Several clusters instead of one.
      - What a cluster does not name is taken from the options of the task itself, as O(image) or O(namespace).
    type: list
    elements: dict
    suboptions:
      name:
        <<: *name
        required: true
      namespace: *namespace
      image: *image
      image_pull_policy: *image_pull_policy
      replicas: *replicas
      command: *command
      args: *args
      env: *env
      labels: *labels
      node_selector: *node_selector
      resources: *resources
      wait_timeout:
        description: Seconds to wait at most for this cluster; O(wait_timeout) without it.
        type: float
extends_documentation_fragment:
  - slipway.cloud.connection
  - slipway.cloud.wait
  - slipway.cloud.told
  - slipway.cloud.attributes
  - slipway.cloud.attributes.action_group
  - slipway.cloud.attributes.controller
"""

EXAMPLES = r"""
- name: Create a cluster of three pods and wait until all are available
  slipway.cloud.cluster:
    name: demo
    namespace: clusters
    image: registry.k8s.io/pause:3.10.2
    replicas: 3

- name: Create several clusters at once and wait for all of them
  slipway.cloud.cluster:
    namespace: clusters
    image: registry.k8s.io/pause:3.10.2
    clusters:
      - name: web
        replicas: 5
      - name: batch
        node_selector:
          slipway.dev/clusters: allowed

- name: Delete it, and wait until the last pod is gone
  slipway.cloud.cluster:
    name: demo
    namespace: clusters
    state: absent
"""

RETURN = r"""
code:
  description: What went wrong before anything was changed, in lower snake case.
  returned: failure
  type: str
  sample: forbidden
clusters:
  description: The clusters, in the order of the task.
  returned: once anything was changed, or nothing had to be
  type: list
  elements: dict
  contains:
    name:
      description: Name of the cluster.
      type: str
    namespace:
      description: Its namespace.
      type: str
    state:
      description:
        - V(available), V(absent) or V(failed).
        - V(pending) where nobody waited, as in check mode.
      type: str
    action:
      description:
        - What was done, or would be in check mode, one of V(created), V(changed), V(unchanged), V(restarted),
          V(deleted), V(absent) or V(none).
      type: str
    uid:
      description: The uid of its Deployment.
      type: str
    generation:
      description: The generation of its Deployment that was waited for.
      type: int
    replicas:
      description: The number of pods that it is to have.
      type: int
    phases:
      description:
        - When each phase was reached, in seconds since the first request.
        - V(applied) is when the API server accepted the change. V(scheduled), V(started) and V(available) follow, or
          V(object_gone) and V(pods_gone).
      type: dict
      sample: {applied: 0.043, scheduled: 0.471, started: 2.103, available: 2.87}
    cause:
      description: Why it failed, or null.
      type: dict
      contains:
        code:
          description: A stable code in lower snake case.
          type: str
          sample: image_not_found
        summary:
          description: The same in words.
          type: str
        evidence:
          description: What Kubernetes said, word for word.
          type: list
          elements: str
        recoverable:
          description: Whether it can still come right by itself.
          type: bool
        hint:
          description: What to do about it.
          type: str
"""

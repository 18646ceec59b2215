# Copyright (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of what a user reads when the API server refuses."""

from __future__ import annotations

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils.engine import errors

RBAC = 'deployments.apps is forbidden: User "jane" cannot patch resource "deployments"'
QUOTA = 'deployments.apps "demo" is forbidden: exceeded quota: small'
WEBHOOK = 'admission webhook "policy.example.org" denied the request: no'
TERMINATING = {"causes": [{"reason": "NamespaceTerminating"}]}


@pytest.mark.parametrize(
    ("status", "body", "kind", "code", "remedy"),
    [
        (401, {"message": "Unauthorized"}, errors.UnauthorizedError, "unauthorized", "log in again"),
        (403, {"message": RBAC}, errors.ForbiddenError, "forbidden", "Ask for a Role"),
        (403, {"message": QUOTA}, errors.ForbiddenError, "quota_exceeded", "Raise the ResourceQuota"),
        (403, {"message": WEBHOOK}, errors.ForbiddenError, "admission_denied", "satisfy its rule"),
        (403, {"message": "", "details": TERMINATING}, errors.ForbiddenError, "namespace_terminating", "Wait until"),
        (404, {"message": "x", "details": {"kind": "namespaces"}}, errors.NotFoundError, "namespace_missing", "Create"),
        (404, {"message": "x", "details": {"kind": "deployments"}}, errors.NotFoundError, "not_found", ""),
        (409, {"message": "x"}, errors.ConflictError, "conflict", ""),
        (410, {"message": "too old"}, errors.ExpiredError, "expired", ""),
        (422, {"message": "x"}, errors.RejectedError, "invalid_input", ""),
        (500, {}, errors.ApiError, "api_error", "HTTP status 500"),
    ],
)
def test_answer(status: int, body: errors.Status, kind: type[errors.ApiError], code: str, remedy: str) -> None:
    error = errors.api_error("apply Deployment demo in namespace n", status=status, body=body)
    assert (type(error), error.code) == (kind, code)
    assert str(error).startswith("Cannot apply Deployment demo in namespace n: ")
    assert remedy in str(error)


def test_all_problems_are_told_at_once() -> None:
    error = errors.InvalidInputError(["a is wrong", "b too"])
    assert (str(error), error.problems) == ("a is wrong; b too", ["a is wrong", "b too"])

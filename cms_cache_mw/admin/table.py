"""Every admin endpoint, a row each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cms_cache_mw.admin import (
    auditing,
    dashboard,
    depending,
    explaining,
    history,
    live,
    observing,
    openapi,
    purging,
    switching,
    warming,
)
from cms_cache_mw.admin.endpoint import Endpoint, Nothing, Problem
from cms_cache_mw.explaining.dependents import Dependents
from cms_cache_mw.explaining.explanation import Explanation
from cms_cache_mw.purges import Purge
from cms_cache_mw.switching.switches import SwitchOrder

if TYPE_CHECKING:
    from cms_cache_mw.admin.endpoint import Call


async def described(call: Call, _: Nothing) -> dict[str, Any]:
    """This document."""
    return openapi.document(ENDPOINTS, call.cache.config.admin_path)


ENDPOINTS: Final = (
    Endpoint("GET", "/", "nobody", dashboard.dashboard, answers={200: dashboard.PAGE, 401: dashboard.PAGE}),
    Endpoint("GET", "/events", "read", live.events, answers={200: live.LINES}),
    Endpoint("GET", "/health", "nobody", observing.health, answers={200: observing.Health}),
    Endpoint("GET", "/openapi.json", "read", described, answers={200: dict[str, Any]}),
    Endpoint("GET", "/stats", "read", observing.stats, answers={200: dict[str, Any]}),
    Endpoint("GET", "/tags/{tag:path}", "read", depending.dependents, depending.TagAsked, {200: Dependents}),
    Endpoint("GET", "/entries", "read", depending.entries, depending.EntriesAsked, {200: Dependents}),
    Endpoint("GET", "/explain", "read", explaining.explain, explaining.ExplainAsked, {200: Explanation}),
    Endpoint("GET", "/decisions", "read", explaining.decisions, explaining.DecisionsAsked, {200: explaining.Decisions}),
    Endpoint(
        "POST",
        "/purge",
        "purge",
        purging.purge,
        purging.PurgeOrder,
        {200: (Purge, purging.DryRun), 202: Purge, 409: purging.Guarded, 503: Purge},
    ),
    Endpoint(
        "GET",
        "/purges",
        "read",
        history.purges,
        history.PurgesAsked,
        {200: (history.Purges, "application/jsonl"), 503: Problem},
    ),
    Endpoint(
        "GET",
        "/purges/{epoch}/{seq}",
        "read",
        purging.standing,
        purging.Numbered,
        {200: Purge, 202: Purge, 404: Problem, 503: Problem},
    ),
    Endpoint("GET", "/metrics", "read", observing.metrics, answers={200: observing.TEXT, 501: Problem}),
    Endpoint("GET", "/audit", "read", auditing.audited, answers={200: auditing.Audited}),
    Endpoint("GET", "/switches", "read", switching.switches, answers={200: switching.SwitchPositions}),
    Endpoint(
        "POST",
        "/switches",
        "switch",
        switching.switch,
        SwitchOrder,
        {200: switching.SwitchPositions, 202: switching.SwitchPositions, 503: Problem},
    ),
    Endpoint(
        "POST",
        "/warm",
        "purge",
        warming.warm,
        warming.WarmOrder,
        {202: warming.ErrandShown, 404: Problem, 409: Problem},
    ),
    Endpoint("GET", "/warm", "read", warming.errands, answers={200: warming.ErrandsShown}),
    Endpoint("GET", "/warm/{id}", "read", warming.errand, warming.Named, {200: warming.ErrandShown, 404: Problem}),
)

"""The result of a Congress test as plain text."""

import math
import textwrap

import pandas as pd

from helpers.protocol import congress_test
from helpers.show import numbers
from helpers.show.numbers import p_text
from helpers.sources.groups import NOT_RECORDED
from helpers.statistics import intervals

NAMES_SHOWN = 60


def report(result: congress_test.Result, title: str) -> str:
    """The result as plain text, one statement a line."""
    s = result.summary
    low = s["fpir_low"], s["fpir_high"]
    failed, fmr = s["failures_to_enrol"], s["implied_fmr"]
    lines = [
        title,
        f"  {s['engine']}"
        if "engine" in s
        else f"  {s['model']} ({s['recogniser']}, detector {s['detector']}, {s['crop']}, "
        f"{s['metric']} distance)",
        f"  threshold {s['threshold']:.4f}: {s['threshold_origin']}",
        f"  searched                 {s['searched']:,} people in a gallery of "
        f"{s['gallery_faces']:,} faces",
        *(f"  ignored                  {text}" for text in s.get("ignored", ())),
        "  failures to enrol        unknown: no failures file lies beside the face metadata of the "
        "people searched"
        if failed is None
        else f"  failures to enrol        {failed:,} (counted as no match)",
    ]
    if unseen := s.get("gallery_failures"):
        lines.append(f"  without a face           {unseen:,} images of the gallery: not in it")
    lines += [
        f"  falsely matched (FPIR)   {numbers.rate(s['falsely_matched'], s['searched'], *low)}",
        f"  implied FMR              {'' if s.get('pairs_complete', True) else 'at least '}"
        f"{s['pairs_at_threshold']:,} of {s['comparisons']:,} "
        f"comparisons ({'not defined' if fmr is None else f'{fmr:.1e}'})",
        f"  probable same person     {s['same_person_pairs']} pairs, "
        f"{s['gallery_faces_left_out']} gallery faces left out; "
        f"falsely matched with them in: {s['falsely_matched_none_left_out']}"
        if s["same_person_rule"]
        else "  probable same person     not looked for: no margin is known for this "
        "configuration, or for so small a gallery",
    ]
    small = s["gallery_faces"] < congress_test.SMALL_GALLERY
    if s["same_person_rule"] and s["same_person_pairs"] and small:
        lines.append(
            "                           (the rule was set on a gallery of thousands: "
            "in one this small it leaves out too many)"
        )
    if s.get("identical_images"):
        lines.append(
            f"  identical images         {s['identical_images']} in the gallery are searched as "
            "well: left out; with nobody left out "
            f"{s['falsely_matched_none_left_out']} falsely matched"
        )
    if s.get("contested_pairs"):
        lines.append(
            f"  contested                {s['contested_pairs']} pairs that may be the same person; "
            f"without them {s['falsely_matched_contested_left_out']} falsely matched"
        )
    if s["genuine_p90"]:
        lines.append(
            f"                           without any candidate nearer than {s['genuine_p90']:.4f} "
            f"(90 % of genuine pairs are): {s['falsely_matched_p90_left_out']}"
        )
    if "ratio" in s:
        interval = numbers.ratio_interval(s["ratio_low"], s["ratio_high"])
        lines += [
            f"  members of colour        {_wilson_text(s['colour_flagged'], s['colour_searched'])}",
            f"  white members            {_wilson_text(s['white_flagged'], s['white_searched'])}",
            f"  FPIR ratio               {_ratio(s['ratio'])} (95 % interval {interval}), "
            f"Fisher's exact p = {p_text(s['fisher_p'])}",
        ]
        if "ratio_within_sex" in s:
            interval = numbers.ratio_interval(s["ratio_within_sex_low"], s["ratio_within_sex_high"])
            lines.append(
                f"  within recorded gender   {_ratio(s['ratio_within_sex'])} "
                f"(95 % interval {interval}), Mantel-Haenszel"
            )
        lines.append(
            f"  share of false matches   {s['colour_flagged']} of "
            f"{s['colour_flagged'] + s['white_flagged']} are "
            "members of colour (a share, not an error rate)"
        )
    if "of_colour" in result.members:
        unknown = result.members.loc[result.members["of_colour"].isna(), "group"]
        unknown = unknown[unknown != NOT_RECORDED].value_counts().sort_index()
        if labels := ", ".join(f"{label!r} ({n})" for label, n in unknown.items()):
            lines.append(f"  groups not known         {labels}: in neither row of the comparison")
    for name, table in (("by group", result.groups), ("by gender and group", result.within_sex)):
        if len(table):
            lines.append(f"  FPIR {name}")
            for key, row in table.iterrows():
                label = ", ".join(key) if isinstance(key, tuple) else str(key)
                counts = int(row["flagged"]), int(row["searched"])
                lines.append(f"    {label:<24} {numbers.rate(*counts, row['low'], row['high'])}")
    return "\n".join([*lines, *_who(result.members)])


def _who(members: pd.DataFrame) -> list[str]:
    """The falsely matched by name, or by id where there is none, nearest first."""
    found = members[members["flagged"]].sort_values(["score", "member_id"])
    if len(found) == 0:
        return []
    hidden = found["withheld"] if "withheld" in found else pd.Series(False, found.index)
    found = found[~hidden]
    said = f"{hidden.sum()} names withheld: those matches may be with the person searched"
    more = [f"    {said}"] if hidden.any() else []
    if len(found) > NAMES_SHOWN:
        return [f"  who: {len(found)} people, listed by --csv FILE"]
    names = found["member_id"] if "name" not in found else found["name"].fillna(found["member_id"])
    lines = textwrap.wrap("; ".join(names), 96, initial_indent="    ", subsequent_indent="    ")
    return ["  who, nearest first", *lines, *more]


def _ratio(value: float) -> str:
    if math.isnan(value):
        return "not defined"
    return "above any number" if math.isinf(value) else f"{value:.2f}"


def _wilson_text(k, n) -> str:
    return numbers.rate(k, n, *intervals.wilson(k, n))

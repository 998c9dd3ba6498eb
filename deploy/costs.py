"""What OneVoice costs on AWS, from the assumptions below: the table of docs/operations.md.

python deploy/costs.py
python deploy/costs.py --minutes 500 --load 0.4 --worker-hour 0.04
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, fields

DAYS = 30
HOURS = 24 * DAYS
MINUTES = (10, 1_000, 100_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """USD, list prices of us-east-1 as last known: check them before you rely on them."""

    worker_hour: float = 0.1008  # m7i.large: 2 vCPU, 8 GiB
    web_hour: float = 0.0208  # t3.small
    database_small_hour: float = 0.065  # db.t4g.medium, one zone
    database_large_hour: float = 0.168  # db.m7g.large, one zone
    database_gigabyte: float = 0.115  # gp3, a month, one zone
    disk_gigabyte: float = 0.08  # gp3, a month
    nat_hour: float = 0.045
    nat_gigabyte: float = 0.045
    address_hour: float = 0.005  # a public IPv4 address
    balancer_hour: float = 0.0225
    balancer_unit_hour: float = 0.008
    s3_gigabyte: float = 0.023  # a month
    s3_thousand_puts: float = 0.005
    s3_thousand_gets: float = 0.0004
    out_gigabyte: float = 0.09  # to the internet, after the free 100 GB
    sqs_million: float = 0.40  # after the free million
    ses_thousand: float = 0.10
    log_gigabyte: float = 0.50
    metric: float = 0.30
    alarm: float = 0.10
    secret: float = 0.40


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a dubbed minute is made of: one minute of video in one language, embedded profile."""

    realtime: float = 0.8  # of an instance; measured 0.4 to 0.8 on two cores, the slowest taken
    load: float = 0.7  # share of paid worker hours that dub: arrivals are not even
    languages: float = 2.0  # per video: its upload and analysis are shared
    video_minutes: float = 10.0
    upload_mb: float = 20.0  # per minute of video, 2.7 Mbit/s
    result_mb: float = 20.0  # per dubbed minute: the picture is copied
    downloads: float = 1.0  # of each result
    artifact_mb: float = 60.0  # per dubbed minute: three stems of float audio a video, a mix each
    media_days: float = 30.0
    artifact_days: float = 30.0
    noncurrent_days: float = 7.0
    puts: float = 60.0  # per dubbed minute: every spoken line is an artifact
    gets: float = 120.0
    messages: float = 60.0  # SQS requests per job beside polling
    mails: float = 2.0  # per job
    log_kb: float = 200.0  # per dubbed minute
    polls_day: float = 95_000.0  # per instance: three queues each 5 s, the daemon's connections


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything a load needs."""

    workers: float
    web: int
    large_database: bool
    database_gigabytes: int
    nats: int


def size(minutes_a_day: float, load: Load) -> Size:
    """Instances for so many dubbed minutes a day; at least one worker is always there."""
    busy = minutes_a_day * load.realtime / (24 * 60) / load.load
    return Size(
        workers=max(1.0, busy),
        web=2 if minutes_a_day < 20_000 else 4,
        large_database=minutes_a_day >= 20_000,
        database_gigabytes=50 if minutes_a_day < 20_000 else 200,
        nats=1 if minutes_a_day < 500 else 2,
    )


def month(minutes_a_day: float, load: Load, prices: Prices) -> dict[str, float]:
    """USD a month by what it is for."""
    need = size(minutes_a_day, load)
    dubbed = minutes_a_day * DAYS
    jobs = dubbed / load.languages / load.video_minutes
    kept = load.media_days + load.noncurrent_days
    stored_gb = (
        minutes_a_day
        / 1000
        * (
            (load.upload_mb / load.languages + load.result_mb) * kept
            + load.artifact_mb * (load.artifact_days + load.noncurrent_days)
        )
    )
    out_gb = max(0.0, dubbed * load.result_mb * load.downloads / 1000 - 100)
    requests = jobs * load.messages + load.polls_day * DAYS * need.workers
    database = prices.database_large_hour if need.large_database else prices.database_small_hour
    return {
        "workers": need.workers * (HOURS * prices.worker_hour + 100 * prices.disk_gigabyte),
        "web": need.web * (HOURS * prices.web_hour + 20 * prices.disk_gigabyte),
        "database, two zones": 2
        * (HOURS * database + need.database_gigabytes * prices.database_gigabyte),
        "storage": stored_gb * prices.s3_gigabyte
        + dubbed
        * (load.puts * prices.s3_thousand_puts + load.gets * prices.s3_thousand_gets)
        / 1000,
        "downloads": out_gb * prices.out_gigabyte,
        "network": HOURS * (prices.balancer_hour + prices.balancer_unit_hour)
        + HOURS * need.nats * (prices.nat_hour + prices.address_hour)
        + HOURS * 2 * prices.address_hour
        + 0.05 * dubbed / 60 * prices.nat_gigabyte,
        "queues, mail": max(0.0, requests / 1e6 - 1) * prices.sqs_million
        + jobs * load.mails / 1000 * prices.ses_thousand,
        "logs, alarms, secrets": dubbed * load.log_kb / 1e6 * prices.log_gigabyte
        + 2 * prices.metric
        + 17 * prices.alarm
        + 6 * prices.secret,
    }


def table(minutes: tuple[float, ...], load: Load, prices: Prices) -> str:
    """The costs as a table of Markdown."""
    months = [month(each, load, prices) for each in minutes]
    rows = [
        "| USD a month | " + " | ".join(f"{each:,.0f} min a day" for each in minutes) + " |",
        "|---|" + "---:|" * len(minutes),
        "| worker instances, on average | "
        + " | ".join(f"{size(each, load).workers:,.1f}" for each in minutes)
        + " |",
    ]
    rows += [
        f"| {name} | " + " | ".join(f"{each[name]:,.0f}" for each in months) + " |"
        for name in months[0]
    ]
    totals = [sum(each.values()) for each in months]
    rows.append("| **together** | " + " | ".join(f"**{total:,.0f}**" for total in totals) + " |")
    each = [total / (amount * DAYS) for total, amount in zip(totals, minutes, strict=True)]
    rows.append("| per dubbed minute | " + " | ".join(f"{one:.4f}" for one in each) + " |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="What OneVoice costs on AWS, a month.")
    parser.add_argument("--minutes", type=float, nargs="+", default=list(MINUTES))
    for group in (Load, Prices):
        for field in fields(group):
            name = "--" + field.name.replace("_", "-")
            parser.add_argument(name, type=float, default=field.default, metavar="N")
    given = vars(parser.parse_args())
    if any(not math.isfinite(each) or each <= 0 for each in given["minutes"]):
        parser.error("--minutes: more than none")
    load = Load(**{field.name: given[field.name] for field in fields(Load)})
    prices = Prices(**{field.name: given[field.name] for field in fields(Prices)})
    print(table(tuple(given["minutes"]), load, prices))  # noqa: T201 (it is what the script is for)


if __name__ == "__main__":
    main()

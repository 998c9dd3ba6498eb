"""What is deployed agrees with the code, and what the documents say of it is so."""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import signal
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import typer
import yaml
from gunicorn.app.wsgiapp import WSGIApplication
from gunicorn.config import Config
from pydantic_core import PydanticUndefined

from onevoice.server import commands
from onevoice.server.queue.base import QUEUES, SPARE_RECEIVES
from onevoice.server.settings import PREFIX, ServerSettings

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
TEMPLATES = sorted((DEPLOY / "cloudformation").glob("*.yaml"))
DOCUMENT = (ROOT / "docs/operations.md").read_text("utf-8")
DOCKERFILES = [DEPLOY / "Dockerfile", DEPLOY / "gpu/Dockerfile"]
COMPOSE = DEPLOY / "worker/docker-compose.yml"
SETTINGS = {f"{PREFIX}{name.upper()}": field for name, field in ServerSettings.model_fields.items()}
PADDLE = {"PaddleApiKeySecret", "PaddleWebhookSecret"}

WILDCARDS = {
    "ecr:GetAuthorizationToken": "the action knows no resource",
}
"""The only actions that may be allowed on every resource, and why."""

_VARIABLE = re.compile(rf"\b{PREFIX}[A-Z0-9_]+\b")
_SECRET = re.compile(r"(?i)(sk-[a-z0-9]{8}|AKIA[0-9A-Z]{12}|pdl_|-----BEGIN|password\s*=\s*\S)")
_ROW = re.compile(r"^\| `([A-Z0-9_]+)` \| `?([^|`]*)`? \|", re.MULTILINE)


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short tags as the long forms they stand for."""


def _tag(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _tag)  # type: ignore[no-untyped-call]


def _template(path: Path) -> dict[str, Any]:
    loaded = yaml.load(path.read_text("utf-8"), _Loader)  # noqa: S506 - a subclass of SafeLoader
    assert isinstance(loaded, dict)
    return loaded


def _resources(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in TEMPLATES:
        for name, resource in _template(path)["Resources"].items():
            if resource["Type"] == kind:
                yield f"{path.name}:{name}", resource["Properties"]


def _walk(value: Any) -> Iterator[Any]:
    yield value
    if isinstance(value, dict):
        for each in value.values():
            yield from _walk(each)
    elif isinstance(value, list):
        for each in value:
            yield from _walk(each)


def _strings(value: Any) -> list[str]:
    """Every string in it; what !Sub puts together with its template."""
    return [each for each in _walk(value) if isinstance(each, str)]


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _statements() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement of a role or managed policy, those behind conditions included."""
    for kind in ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy"):
        for name, properties in _resources(kind):
            documents = [each["PolicyDocument"] for each in properties.get("Policies", [])]
            documents += [properties["PolicyDocument"]] if "PolicyDocument" in properties else []
            for found in _walk(documents):
                if isinstance(found, dict) and "Effect" in found:
                    yield name, found


def _environment(template: str) -> dict[str, Any]:
    """Properties and secrets that a template gives its environment of Elastic Beanstalk."""
    return {
        found["OptionName"]: found["Value"]
        for found in _walk(_template(DEPLOY / "cloudformation" / template)["Resources"])
        if isinstance(found, dict)
        and str(found.get("Namespace", "")).startswith("aws:elasticbeanstalk:application:environ")
    }


# -- templates -------------------------------------------------------------------------------


def _lint(paths: list[Path]) -> tuple[int, str]:
    linted = subprocess.run(
        [
            *(sys.executable, "-c", "from cfnlint.runner import main; raise SystemExit(main())"),
            *("--format", "parseable", "--", *map(str, paths)),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return linted.returncode, linted.stdout + linted.stderr


def test_cfn_lint_has_nothing_to_say() -> None:
    assert len(TEMPLATES) >= 10
    assert _lint(TEMPLATES) == (0, "")


def test_resources_of_the_worker_bundle_are_a_template(tmp_path: Path) -> None:
    """The platform puts them into its own, where the group is and options have values."""
    text = (DEPLOY / "worker/.ebextensions/10-scaling.config").read_text("utf-8")
    resources = _with_values(yaml.safe_load(text)["Resources"])
    resources["AWSEBAutoScalingGroup"]["Properties"] |= {
        "MinSize": "1",
        "MaxSize": "2",
        "AvailabilityZones": {"Fn::GetAZs": ""},
        "LaunchConfigurationName": "of-the-platform",
    }
    template = tmp_path / "worker.json"
    template.write_text(
        json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}), "utf-8"
    )
    assert _lint([template]) == (0, "")


def _with_values(value: Any) -> Any:
    """Options of the environment put in, as the platform does it."""
    if isinstance(value, dict):
        if "Fn::GetOptionSetting" in value:
            given = value["Fn::GetOptionSetting"]
            assert given["OptionName"] in _environment("workers.yaml")
            return given["DefaultValue"]
        return {key: _with_values(each) for key, each in value.items()}
    return [_with_values(each) for each in value] if isinstance(value, list) else value


def test_what_is_imported_is_exported_once() -> None:
    exported: list[str] = []
    imported: set[str] = set()
    for path in TEMPLATES:
        template = _template(path)
        for output in template.get("Outputs", {}).values():
            exported += [output["Export"]["Name"]["Fn::Sub"]] if "Export" in output else []
        for found in _walk(template):
            if isinstance(found, dict) and "Fn::ImportValue" in found:
                imported.add(found["Fn::ImportValue"]["Fn::Sub"])
    assert len(exported) == len(set(exported))
    assert imported == set(exported)


def test_queues_are_those_of_the_code() -> None:
    queues = {
        properties["QueueName"]["Fn::Sub"]: properties
        for _, properties in _resources("AWS::SQS::Queue")
    }
    wanted = {f"${{Prefix}}-{name}{end}" for name in QUEUES for end in ("", "-dead")}
    assert set(queues) == wanted | {"${Prefix}-idle"}
    attempts = ServerSettings.model_fields["max_attempts"].default
    visibility = ServerSettings.model_fields["visibility_seconds"].default
    resources = _template(DEPLOY / "cloudformation/queues.yaml")["Resources"]
    for name in QUEUES:
        queue = queues[f"${{Prefix}}-{name}"]
        policy = queue["RedrivePolicy"]
        assert policy["maxReceiveCount"] == attempts + SPARE_RECEIVES
        target = policy["deadLetterTargetArn"]["Fn::GetAtt"].removesuffix(".Arn")
        assert resources[target]["Properties"]["QueueName"]["Fn::Sub"] == f"${{Prefix}}-{name}-dead"
        assert queue["VisibilityTimeout"] == visibility
        assert queue["ReceiveMessageWaitTimeSeconds"] == 20
    assert all(each["SqsManagedSseEnabled"] is True for each in queues.values())


def test_every_queue_has_its_alarms() -> None:
    watched = {
        (properties.get("MetricName"), each)
        for _, properties in _resources("AWS::CloudWatch::Alarm")
        for each in _strings(properties.get("Dimensions", []))
    }
    for name in QUEUES:
        assert ("ApproximateAgeOfOldestMessage", f"${{Prefix}}-{name}") in watched
        assert ("ApproximateNumberOfMessagesVisible", f"${{Prefix}}-{name}-dead") in watched


def test_variables_of_templates_and_bundles_are_settings() -> None:
    texts = [
        path for path in DEPLOY.rglob("*") if path.is_file() and "__pycache__" not in str(path)
    ]
    for path in texts:
        unknown = set(_VARIABLE.findall(path.read_text("utf-8"))) - set(SETTINGS)
        assert not unknown, f"{path.name}: {unknown}"


@pytest.mark.parametrize("template", ["web.yaml", "workers.yaml"])
def test_environments_start_hosted(template: str) -> None:
    """What the template sets, in the form it sets it, is enough for a hosted server."""
    given = {}
    for name, value in _environment(template).items():
        if name.startswith(PREFIX):
            text = value if isinstance(value, str) else "value"
            field = name.removeprefix(PREFIX).lower()
            if field in ("profiles", "gpu_profiles"):
                parameters = _template(DEPLOY / "cloudformation" / template)["Parameters"]
                text = parameters[value["Ref"]]["Default"]
            elif isinstance(value, dict) and "Fn::Sub" in value:
                text = re.sub(r"\$\{\w+\}", "example.com", str(value["Fn::Sub"]))
            elif field in ("app_url", "public_url"):
                text = "https://example.com"
            elif field == "paddle_environment":
                text = "production"
            annotation = ServerSettings.model_fields[field].annotation
            given[field] = json.loads(text) if "tuple" in str(annotation) else text
    settings = ServerSettings(**given)
    assert settings.environment == "hosted"
    assert settings.sqs_prefix and settings.s3_bucket
    assert bool(settings.token_keys.get_secret_value()) == (template == "web.yaml")


def test_policies_name_what_they_allow() -> None:
    seen = set()
    for name, statement in _statements():
        assert statement["Effect"] == "Allow", name
        actions, resources = _many(statement["Action"]), _many(statement["Resource"])
        assert not [each for each in actions if "*" in each], name
        if any(each == "*" for each in resources):
            assert set(actions) <= set(WILDCARDS), name
            seen |= set(actions)
        for text in _strings(resources):
            # A wildcard ends the name of something, and is not all of it.
            assert text == "*" or text.count("*") <= 1, name
            assert text == "*" or not text.rstrip("*").endswith(":"), f"{name}: {text}"
    assert seen == set(WILDCARDS)


def test_workers_reach_no_key_of_paddle_and_none_that_signs_tokens() -> None:
    reached: dict[str, set[str]] = {}
    for name, properties in _resources("AWS::IAM::Role"):
        own = list(_walk(properties))
        policies = {each["Ref"] for each in own if isinstance(each, dict) and "Ref" in each}
        shared = [
            p for n, p in _resources("AWS::IAM::ManagedPolicy") if n.split(":")[1] in policies
        ]
        found = own + list(_walk(shared))
        reached[name.split(":")[1]] = {
            each["Ref"] for each in found if isinstance(each, dict) and "Ref" in each
        }
    assert reached["WebRole"] >= PADDLE | {"TokenKeysSecret"}
    for role in ("WorkerRole", "GpuRole", "BeanstalkRole"):
        assert not reached[role] & (PADDLE | {"TokenKeysSecret"}), role
    assert not [name for name in _environment("workers.yaml") if "PADDLE" in name]
    assert "PADDLE" not in (DEPLOY / "cloudformation/gpu.yaml").read_text("utf-8")


def test_secrets_are_references() -> None:
    """Whatever the settings call secret is the address of a secret in a template, never a value."""
    secret = {name for name, field in SETTINGS.items() if "SecretStr" in str(field.annotation)}
    for template in ("web.yaml", "workers.yaml"):
        for found in _walk(_template(DEPLOY / "cloudformation" / template)["Resources"]):
            if isinstance(found, dict) and found.get("OptionName") in secret:
                assert found["Namespace"] == "aws:elasticbeanstalk:application:environmentsecrets"
                assert set(found["Value"]) <= {"Ref", "Fn::ImportValue"}
    for path in DEPLOY.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            assert not _SECRET.search(path.read_text("utf-8")), path


def test_bucket_and_database_are_closed() -> None:
    for _, bucket in _resources("AWS::S3::Bucket"):
        assert all(bucket["PublicAccessBlockConfiguration"].values())
        assert len(bucket["PublicAccessBlockConfiguration"]) == 4
        assert "BucketEncryption" in bucket
    ((_, database),) = _resources("AWS::RDS::DBInstance")
    assert database["StorageEncrypted"] is True
    assert database["DeletionProtection"] is True
    assert database["PubliclyAccessible"] is False
    assert "resolve:secretsmanager" in database["MasterUserPassword"]["Fn::Sub"]


# -- bundles ---------------------------------------------------------------------------------


def _cli() -> Any:
    """The server's commands, by the names they are registered under."""
    registered = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
        "entry-points"
    ]["onevoice.commands"]
    app = typer.Typer()
    for name, target in registered.items():
        found = getattr(commands, target.split(":")[1].split()[0])
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            app.command(name)(found)
    return typer.main.get_command(app)


def _parse(line: str) -> None:
    """Raises what the command line does for a command that it refuses."""
    command = _cli()
    arguments = shlex.split(line)
    while hasattr(command, "commands"):
        name = arguments.pop(0)
        assert name in command.commands, f"no command {name}: {line}"
        command = command.commands[name]
    command.make_context(command.name, arguments)


def _started() -> list[str]:
    """What containers, hooks and documents start of the command line, without its name."""
    lines = [service["command"] for service in _compose()["services"].values()]
    for path in DOCKERFILES:
        text = path.read_text("utf-8")
        for found in re.findall(r"^(?:.* )?CMD (\[.*\])$", text.replace("\\\n", ""), re.MULTILINE):
            words = json.loads(found)
            if words[0] == "onevoice" or words[0] in _cli().commands:
                lines.append(shlex.join(words[1:] if words[0] == "onevoice" else words))
    migrations = (DEPLOY / "web/.ebextensions/10-migrations.config").read_text("utf-8")
    lines += re.findall(r"onevoice (.*?)\"$", migrations, re.MULTILINE)
    unit = (DEPLOY / "cloudformation/gpu.yaml").read_text("utf-8")
    lines += re.findall(r"\$\{Image\} (worker .*)$", unit, re.MULTILINE)
    for block in re.findall(r"```sh\n(.*?)```", DOCUMENT, re.DOTALL):
        lines += re.findall(
            r"^onevoice ((?:serve|worker|db|queue)\b.*)$", block.replace("\\\n", ""), re.MULTILINE
        )
    return [re.sub(r"\$\{\w+(:-\w+)?\}", "1", line) for line in lines]


def _compose() -> dict[str, Any]:
    loaded = yaml.safe_load(COMPOSE.read_text("utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def test_commands_exist() -> None:
    lines = _started()
    assert len(lines) >= 10
    for line in lines:
        _parse(line)
        assert set(re.findall(r"--queue (\S+)", line)) <= set(QUEUES)
    with pytest.raises(Exception, match="No such option"):
        _parse("worker --no-such-option")


def test_every_queue_has_a_worker() -> None:
    served = {name for line in _started() for name in re.findall(r"--queue (\S+)", line)}
    assert served == set(QUEUES)


def test_workers_stop_in_time() -> None:
    drain = float(_environment("workers.yaml")[f"{PREFIX}DRAIN_SECONDS"])
    unit = (DEPLOY / "cloudformation/gpu.yaml").read_text("utf-8")
    (docker,) = re.findall(r"docker stop --time (\d+)", unit)
    (systemd,) = re.findall(r"TimeoutStopSec=(\d+)", unit)
    graces = [service["stop_grace_period"] for service in _compose()["services"].values()]
    assert float(systemd) > float(docker) >= drain + 60
    assert all(float(each.removesuffix("s")) >= drain + 60 for each in graces)


def test_scaling_looks_at_both_queues_of_its_kind() -> None:
    cpu = yaml.safe_load((DEPLOY / "worker/.ebextensions/10-scaling.config").read_text("utf-8"))
    gpu = _template(DEPLOY / "cloudformation/gpu.yaml")
    for resources, kind, policy in ((cpu, "cpu", "BacklogScaling"), (gpu, "gpu", "Scaling")):
        tracking = resources["Resources"][policy]["Properties"]["TargetTrackingConfiguration"]
        metrics = tracking["CustomizedMetricSpecification"]["Metrics"]
        text = json.dumps(metrics).replace("${Prefix}", "")
        assert f'"-{kind}"' in text and f'"-{kind}-high"' in text
        (expression,) = [each["Expression"] for each in metrics if each["ReturnData"]]
        names = set(re.findall(r"[a-z]+", expression))
        assert names == {each["Id"] for each in metrics} - {"backlog"}


def test_gunicorn_reads_its_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    known = set(Config().settings)
    read = runpy.run_path(str(DEPLOY / "gunicorn.conf.py"))
    own = {name for name, value in read.items() if not name.startswith("_")}
    own -= {"annotations", "os", "shutil", "tempfile", "Path", "Any", "METRICS"}
    assert own <= known, own - known
    assert {"wsgi_app", "worker_class", "child_exit", "forwarded_allow_ips"} <= own

    (line,) = (DEPLOY / "web/Procfile").read_text("utf-8").splitlines()
    process, _, command = line.partition(": ")
    program, *arguments = shlex.split(command)
    assert (process, program) == ("web", "gunicorn")
    monkeypatch.setattr(sys, "argv", [program, *arguments[:-1], str(DEPLOY / arguments[-1])])
    monkeypatch.setattr(sys, "path", [*sys.path])  # it puts the current folder in front
    config = WSGIApplication().cfg
    assert config.worker_class.__name__ == "UvicornWorker"
    assert config.graceful_timeout < config.timeout
    assert config.max_requests_jitter > 0
    assert config.forwarded_allow_ips == ["127.0.0.1"]

    folder = tmp_path / "figures"
    folder.mkdir()
    (folder / "counter_1.db").write_bytes(b"of an earlier start")
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(folder))
    config.on_starting(None)
    assert list(folder.iterdir()) == []


_COUNTING = """
import os
from prometheus_client import CollectorRegistry, Counter, generate_latest, multiprocess
REQUESTS = Counter("requests", "Requests.")

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"] == "/metrics":
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
        body = generate_latest(registry)
    else:
        REQUESTS.inc()
        body = f"{os.getpid()} {scope['scheme']}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
"""


def test_gunicorn_counts_for_all_processes_and_stops_when_asked(tmp_path: Path) -> None:
    (tmp_path / "counting.py").write_text(_COUNTING, "utf-8")
    figures = tmp_path / "figures"
    figures.mkdir()
    (figures / "counter_99999.db").write_bytes(b"left by an earlier start")
    settings = {"PORT": "0", "WEB_CONCURRENCY": "2", "PROMETHEUS_MULTIPROC_DIR": str(figures)}
    options = ["--config", str(DEPLOY / "gunicorn.conf.py"), "--chdir", str(tmp_path)]
    with (tmp_path / "log").open("w+") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *options, "counting:app"],
            env={**os.environ, **settings},
            stderr=log,
        )
        try:
            address = _listening(server, tmp_path / "log")
            processes = set()
            for _ in range(40):
                request = Request(address, headers={"X-Forwarded-Proto": "https"})  # noqa: S310
                with urlopen(request, timeout=10) as answer:  # noqa: S310
                    process, scheme = answer.read().decode().split()
                processes.add(process)
                assert scheme == "https"  # the proxy of this machine is believed
            with urlopen(f"{address}/metrics", timeout=10) as answer:  # noqa: S310
                assert "requests_total 40.0" in answer.read().decode()
            assert len(list(figures.glob("counter_*.db"))) >= len(processes)
        finally:
            server.send_signal(signal.SIGTERM)
            ended = server.wait(40)
    assert ended == 0


def _listening(server: subprocess.Popen[bytes], log: Path) -> str:
    for _ in range(300):
        if found := re.search(r"Listening at: (http://[\d.]+:\d+)", log.read_text("utf-8")):
            return found[1]
        assert server.poll() is None, log.read_text("utf-8")
        time.sleep(0.1)
    raise AssertionError(log.read_text("utf-8"))


def test_gunicorn_serves_the_application() -> None:
    target = runpy.run_path(str(DEPLOY / "gunicorn.conf.py"))["wsgi_app"]
    module, _, factory = target.partition(":")
    path = ROOT / (module.replace(".", "/") + ".py")
    assert f"def {factory.removesuffix('()')}(" in path.read_text("utf-8")


def test_web_bundle_has_what_the_platform_looks_for(tmp_path: Path) -> None:
    write = runpy.run_path(str(DEPLOY / "bundle.py"))["write"]
    wheel = tmp_path / "onevoice-9.9-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    first, second = tmp_path / "a.zip", tmp_path / "b.zip"
    write(first, "web", wheel)
    write(second, "web", wheel)
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as bundle:
        assert {
            "Procfile",
            "gunicorn.conf.py",
            "requirements.txt",
            "constraints.txt",
            ".ebextensions/10-migrations.config",
            ".platform/nginx/conf.d/onevoice.conf",
            wheel.name,
        } == set(bundle.namelist())
        assert f"./{wheel.name}[server]" in bundle.read("requirements.txt").decode()
        migrations = yaml.safe_load(bundle.read(".ebextensions/10-migrations.config"))
    (migrate,) = migrations["container_commands"].values()
    assert migrate["leader_only"] is True
    with pytest.raises(SystemExit, match="--wheel"):
        write(first, "web")


def test_worker_bundle_has_hooks_that_run(tmp_path: Path) -> None:
    write = runpy.run_path(str(DEPLOY / "bundle.py"))["write"]
    write(tmp_path / "worker.zip", "worker")
    with zipfile.ZipFile(tmp_path / "worker.zip") as bundle:
        members = {each.filename: each for each in bundle.infolist()}
        hooks = {name for name in members if name.endswith(".sh")}
        # A change of a property alone pulls the image again, too.
        assert hooks == {
            f".platform/{kind}/prebuild/10-registry.sh" for kind in ("hooks", "confighooks")
        }
        assert len({bundle.read(name) for name in hooks}) == 1
        for name in hooks:
            assert members[name].external_attr >> 16 & 0o111
            subprocess.run(["bash", "-n"], input=bundle.read(name), check=True, timeout=10)
    given = set(_environment("workers.yaml"))
    used = set(re.findall(r"\$\{([A-Z_]+)", COMPOSE.read_text("utf-8")))
    assert used <= given


def test_gpu_instances_start_with_a_script_that_parses() -> None:
    ((_, properties),) = _resources("AWS::EC2::LaunchTemplate")
    script, given = properties["LaunchTemplateData"]["UserData"]["Fn::Base64"]["Fn::Sub"]
    parameters = _template(DEPLOY / "cloudformation/gpu.yaml")["Parameters"]
    asked = set(re.findall(r"\$\{([A-Z]\w+)\}", script))
    assert asked <= {*given, *parameters, "Log"}
    script = re.sub(r"\$\{[A-Z][\w:]*\}", "value", script).replace("${!", "${")
    inner = re.search(r"<<'PREPARE'\n(.*?)^PREPARE$", script, re.MULTILINE | re.DOTALL)
    assert inner
    for text in (script, inner[1]):
        subprocess.run(["bash", "-n"], input=text.encode(), check=True, timeout=10)
    assert "#!/bin/bash" in inner[1].splitlines()[0]
    # Nothing that is secret is in what everybody on the instance can read.
    secret = {name for name, field in SETTINGS.items() if "SecretStr" in str(field.annotation)}
    for name in secret:
        assert not re.search(rf"{name}=(?!\$\(secret )", script)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_images_are_pinned_and_run_as_nobody_special(path: Path) -> None:
    text = path.read_text("utf-8").replace("\\\n", " ")
    assert "latest" not in text
    stages: dict[str, list[str]] = {}
    current: list[str] = []
    for line in text.splitlines():
        if found := re.fullmatch(r"FROM (\S+)(?: AS (\w+))?", line):
            source, name = found[1], found[2] or "last"
            if source not in stages:
                assert re.search(r":\d+\.\d+\.\d+", source), f"{source} is not pinned"
            current = stages.setdefault(name, list(stages.get(source, [])))
        current.append(line)
    for name, lines in stages.items():
        if not any(line.startswith("CMD") for line in lines):
            continue  # nobody runs what only builds
        assert "USER onevoice" in lines, name
        assert any(line.startswith("HEALTHCHECK") for line in lines), name
        (entry,) = [line for line in lines if line.startswith("ENTRYPOINT")]
        assert json.loads(entry.removeprefix("ENTRYPOINT "))[0] == "tini"
        assert lines.index("USER onevoice") < lines.index(entry)
        assert "STOPSIGNAL SIGTERM" in lines
    assert not re.search(r"(?i)\b(ARG|ENV) +\S*(key|token|secret|password)", text)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_images_copy_what_is_there(path: Path) -> None:
    text = path.read_text("utf-8")
    allowed = path.with_name("Dockerfile.dockerignore").read_text("utf-8").splitlines()
    for sources in re.findall(r"^COPY (?!--)(.+) \S+$", text, re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists(), source
            assert f"!{source}" in allowed, f"{source} is kept out by .dockerignore"
    extras = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
            "optional-dependencies"
        ]
    )
    asked = {name for found in re.findall(r"whl\)\[([\w,]+)\]", text) for name in found.split(",")}
    assert asked and asked <= extras


# -- the document ----------------------------------------------------------------------------


def test_document_lists_every_variable_with_its_default() -> None:
    rows = dict(_ROW.findall(DOCUMENT.split("## Variables")[1].split("\n## ")[0]))
    wanted = {name.removeprefix(PREFIX): _shown(field.default) for name, field in SETTINGS.items()}
    assert rows == wanted


def _shown(default: object) -> str:
    """A default as one writes it into the environment."""
    if default is PydanticUndefined or default is None:
        return ""
    if hasattr(default, "get_secret_value"):
        return str(default.get_secret_value())
    if isinstance(default, tuple):
        return json.dumps(default) if default else ""
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else str(default)


def test_document_names_only_what_there_is() -> None:
    assert set(_VARIABLE.findall(DOCUMENT)) <= set(SETTINGS)
    for name in re.findall(r"deploy/[\w./-]+\w", DOCUMENT):
        assert (ROOT / name).exists(), name


def test_document_names_routes_that_there_are(tmp_path: Path) -> None:
    code = (
        "import json; from onevoice.server.app import create_app; "
        "print(json.dumps({p: list(m) for p, m in create_app().openapi()['paths'].items()}))"
    )
    local = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    asked = subprocess.run(
        [sys.executable, "-c", code],
        env={**local, f"{PREFIX}DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    routes = {
        f"{method.upper()} {re.sub(r'{.*?}', '{}', path)}"
        for path, methods in json.loads(asked.stdout).items()
        for method in methods
    }
    named = re.findall(r"`((?:GET|POST|PATCH|DELETE) /v1/[^`]+)`", " ".join(DOCUMENT.split()))
    assert len(named) >= 4
    assert {re.sub(r"{.*?}", "{}", name) for name in named} <= routes
    assert {"GET /v1/health/ready", "GET /v1/health/live", "POST /v1/webhooks/paddle"} <= routes


def test_commands_of_the_document_parse() -> None:
    blocks = re.findall(r"```sh\n(.*?)```", DOCUMENT, re.DOTALL)
    assert len(blocks) >= 8
    for block in blocks:
        subprocess.run(["bash", "-n"], input=block.encode(), check=True, timeout=10)


def test_document_deploys_with_the_parameters_of_the_templates() -> None:
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", DOCUMENT, re.DOTALL)).replace("\\\n", " ")
    deployed = re.findall(r"^stack (\w+) *(.*)$", blocks, re.MULTILINE)
    assert {name for name, _ in deployed} == {path.stem for path in TEMPLATES}
    for name, rest in deployed:
        parameters = _template(DEPLOY / f"cloudformation/{name}.yaml")["Parameters"]
        given = set(re.findall(r"\b([A-Z]\w+)=", rest))
        assert given <= set(parameters), name
        needed = {key for key, value in parameters.items() if "Default" not in value}
        assert needed <= given, f"{name}: {needed - given}"


def test_table_of_costs_is_the_scripts() -> None:
    printed = subprocess.run(
        [sys.executable, str(DEPLOY / "costs.py")],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout.strip()
    assert printed in DOCUMENT


def test_costs_grow_with_what_is_dubbed() -> None:
    costs = runpy.run_path(str(DEPLOY / "costs.py"), run_name="costs")
    load, prices = costs["Load"](), costs["Prices"]()
    totals = [sum(costs["month"](minutes, load, prices).values()) for minutes in (10, 1e3, 1e5)]
    assert totals == sorted(totals)
    # 100,000 minutes at 0.8 of realtime are 55.6 instances that never rest, 79.4 at 70 %.
    assert costs["size"](1e5, load).workers == pytest.approx(100_000 * 0.8 / 1440 / 0.7)
    faster = costs["Load"](realtime=0.4)
    halved = costs["month"](1e5, faster, prices)["workers"]
    assert halved == pytest.approx(costs["month"](1e5, load, prices)["workers"] / 2)
    cheaper = costs["month"](1e5, load, costs["Prices"](worker_hour=0.05))
    assert cheaper["workers"] < costs["month"](1e5, load, prices)["workers"]

"""A cluster that can't be reached, told before anything is touched."""

from pathlib import Path

import pytest
import yaml

from cli import deploy
from cli.errors import CliError

SERVER = "https://127.0.0.1:1"


def test_a_cluster_that_does_not_answer_is_named_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(
        yaml.safe_dump(
            {
                "current-context": "gone",
                "contexts": [{"name": "gone", "context": {"cluster": "gone", "user": "me"}}],
                "clusters": [{"name": "gone", "cluster": {"server": SERVER}}],
                "users": [{"name": "me", "user": {"token": "t"}}],
            }
        )
    )
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))

    with pytest.raises(CliError) as refused:
        deploy.up("local", "pulumi")

    assert f"no cluster answers at {SERVER}" in str(refused.value)
    assert "Connection refused" in str(refused.value)
    assert "kubectl config use-context" in str(refused.value)


def test_a_missing_kubeconfig_is_told_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))

    with pytest.raises(CliError, match=r"there is no cluster: .*; set KUBECONFIG or make one"):
        deploy.up("local", "pulumi")

"""`bridge reindex`: where it takes tapes from, and from where it takes none."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from bridge.cli import main


@pytest.mark.parametrize("named", ["nonsense", "", "/data/tapes", "s3://", "s3:///tapes", "gs://calls"])
def test_only_a_folder_of_object_storage_is_taken_with_from(tmp_path: Path, named: str) -> None:
    result = CliRunner().invoke(main, ["reindex", "--data", str(tmp_path), "--from", named])
    assert result.exit_code == 2
    assert result.stderr.splitlines()[0].endswith(": no folder of object storage")
    assert result.stderr.splitlines()[1:] == ["Try:   --from s3://BUCKET/FOLDER"]

"""Golden files with one entry a line."""
import json


def write(path, document):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, separators=(",", ":")).replace('{"name"', '\n{"name"') + "\n")
    print(f"{path}: {path.stat().st_size} bytes")

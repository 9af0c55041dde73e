"""Judges constrained answers: every line of FILE is {"schema": …, "text": …}; the text must be JSON that satisfies the schema.

usage: validate_samples.py FILE        (needs jsonschema[format]; run by RandomWalkTests and StructuredOutputTests)
"""
import json
import sys

import jsonschema


def main(path):
    failures = number = 0
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            sample = json.loads(line)
            schema = sample["schema"]
            try:
                instance = json.loads(sample["text"])
                validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
                error = jsonschema.exceptions.best_match(validator.iter_errors(instance))
            except ValueError as problem:
                error = problem
            if error is not None:
                failures += 1
                if failures <= 10:
                    print(f"line {number}: {str(error)[:300]}\n  {sample['text'][:300]}\n  {json.dumps(schema)[:300]}")
    print(f"{number - failures} of {number} valid")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

"""Lines of `measure-gpu --json` and `time_torch.py --json` -> one table: python table.py FILE.jsonl [--fastest NETWORK]

--fastest prints instead the name of the variant that took least, right ones only (error below 10 %).
"""

import json
import sys

arguments = sys.argv[1:]
fastest_of = arguments[arguments.index("--fastest") + 1] if "--fastest" in arguments else None
rows = [json.loads(line) for line in open(arguments[0]) if line.strip()]
eager = {row["network"]: row["stepMs"] for row in rows if row["variant"] == "torch-eager" and "stepMs" in row}


if fastest_of is not None:
    own = [row for row in rows if row["network"] == fastest_of and row.get("createSeconds") and " " not in row["variant"]]
    right = [row for row in own if row.get("error") is not None and row["error"] < 0.1]
    print(min(right or own, key=lambda row: row["stepMs"])["variant"] if own else "stored")
    sys.exit()


def text(value, form="%s"):
    return "-" if value is None else form % value


print("| network | variant | ms a step | / eager | error | GPU MiB | RAM MB | load s | first step s |")
print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
for row in rows:
    if "failure" in row:
        print("| %s | %s | failed: %s |" % (row["network"], row["variant"], row["failure"][:120]))
        continue
    own, base = row.get("stepMs"), eager.get(row["network"])
    cells = [
        row["network"], row["variant"], text(own, "%.1f"),
        text(own / base if own and base else None, "%.2f"),
        "NaN" if row.get("error", 0) is None else text(100 * row["error"] if "error" in row else None, "%.2f %%"),
        text(row.get("gpuMiB")), text(row.get("residentMB")),
        text(row.get("createSeconds", row.get("loadSeconds")), "%.1f"), text(row.get("firstSeconds"), "%.1f"),
    ]
    print("| " + " | ".join(cells) + " |")

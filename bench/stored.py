"""What a stopped headwater's store takes: python bench/stored.py DATA_DIR/store. Prints JSON.

Active parts only: what merges replaced is kept ten minutes and then removed, and would count twice.
"""

import json
import sys

import chdb

QUESTION = """
SELECT sum(rows) AS rows, sum(bytes_on_disk) AS bytes, count() AS parts, sum(data_uncompressed_bytes) AS raw
FROM system.parts WHERE active AND table = 'events'
"""

store = chdb.connect(sys.argv[1])
told = json.loads(str(store.query(QUESTION, "JSONEachRow")).splitlines()[0])
store.close()
print(json.dumps({name: int(value) for name, value in told.items()}))

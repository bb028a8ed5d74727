"""One fit by Spark ML, in its own process and environment.

    python _spark.py FOLDER ANSWER REG_PARAM ALPHA ITERATIONS

The folder has Parquet files of lists of pixels and labels. Reading and caching them is not timed. Spark minimises
mean(loss) + REG_PARAM * (ALPHA |W|_1 + (1 - ALPHA) / 2 |W|^2), the intercept free of it.
"""

import sys
import time
from pathlib import Path

import numpy as np
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.functions import array_to_vector
from pyspark.sql import SparkSession
from pyspark.storagelevel import StorageLevel

HEAP = "12g"  # of the Java machine

folder, answer, strength, alpha, most = sys.argv[1:]
session = (
    SparkSession.builder.master("local[2]")
    .config("spark.driver.memory", HEAP)
    .config("spark.ui.enabled", "false")
    .config("spark.ui.showConsoleProgress", "false")
    .config("spark.driver.extraJavaOptions", "--add-modules=jdk.incubator.vector")  # else its BLAS has no vectors
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.driver.host", "127.0.0.1")
    .getOrCreate()
)
session.sparkContext.setLogLevel("ERROR")
table = session.read.parquet(folder)
table = table.select(array_to_vector(table["pixels"].cast("array<double>")).alias("features"), "label")
table = table.persist(StorageLevel.MEMORY_AND_DISK)
print("Spark:", table.count(), "rows", file=sys.stderr)
fit = LogisticRegression(
    family="multinomial", regParam=float(strength), elasticNetParam=float(alpha), standardization=False, tol=1e-6,
    maxIter=int(most),
)  # fmt: skip
began = time.perf_counter()
model = fit.fit(table)
seconds = time.perf_counter() - began


def peak(pid):
    """Return the most bytes of memory that a process had so far."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


memory = peak("self") + peak(session.sparkContext._gateway.proc.pid)
np.savez(
    answer, coef=model.coefficientMatrix.toArray(), intercept=model.interceptVector.toArray(), seconds=seconds,
    history=np.array(model.summary.objectiveHistory), memory=memory,
)  # fmt: skip
session.stop()

"""The sources of data: one file each, one line each in the list below.

A source is a configuration with a ``name``, ``files(path)`` (what it reads) and ``read(path)``.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from scorerec.data.sources.amazon import AmazonReviews2018
from scorerec.data.sources.movielens import MovieLens1M, MovieLens100K
from scorerec.data.sources.recbole import RecBoleFiles
from scorerec.data.sources.tabular import TabularFiles
from scorerec.data.synthetic import SyntheticWorld

SourceConfig: TypeAlias = Annotated[
    MovieLens1M  # "movielens-1m": ratings.dat and movies.dat
    | MovieLens100K  # "movielens-100k": u.data and u.item, or RecBole's copy, which it can download
    | RecBoleFiles  # "recbole": .inter and .item
    | AmazonReviews2018  # "amazon-2018": reviews or ratings of one category, and its metadata
    | TabularFiles  # "tabular": any CSV or Parquet pair
    | SyntheticWorld,  # "synthetic": planted twins, for tests
    Field(discriminator="name"),
]

"""Classes named as the way to a service, such as `S3Uploader`, with nothing to reach it by."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.source.facts import Class, Kind, Sign
from orchestrator.source.index import Definition, Index
from orchestrator.source.listing import SourceFile
from orchestrator.source.naming import words, words_of

NO_CLIENT = "redflags/no-client"

_SERVICES = words_of(
    """
    stripe paypal braintree adyen twilio sendgrid mailgun slack discord telegram whatsapp github gitlab
    jira salesforce hubspot shopify pinecone qdrant weaviate milvus elasticsearch opensearch algolia s3
    gcs dynamo dynamodb sqs sns minio redis memcached kafka rabbit rabbitmq amqp mqtt nats postgres
    postgresql mysql mongo mongodb cassandra neo4j snowflake bigquery firebase smtp imap ftp sftp ssh
    elevenlabs deepgram cohere
    """
)
_WAYS = words_of(
    """
    client gateway store storage uploader downloader producer consumer cache queue publisher subscriber
    sender notifier api connector connection backend bucket database db mailer broker
    """
)
_STAYS_HERE = words_of(
    """
    __future__ abc argparse array base64 bisect collections concurrent contextlib copy csv dataclasses
    datetime decimal enum fnmatch fractions functools glob gzip hashlib heapq hmac inspect io itertools
    json logging math operator os pathlib pickle platform pprint queue random re secrets shutil
    statistics string struct sys tempfile textwrap threading time traceback types typing
    typing_extensions unicodedata uuid warnings weakref zlib zoneinfo attr attrs click dateutil dotenv
    loguru numpy pandas pydantic pydantic_settings pytz rich structlog tenacity tqdm yaml asyncio
    """
)
"""Modules through which nothing leaves the process."""
_ROOTS = {"object", "ABC", "Generic", "Protocol"}


def judge(index: Index, file: SourceFile) -> Iterator[Sign]:
    for one in index.facts(file).classes:
        spoken = words(one.name)
        named = (
            spoken[-1:] and spoken[-1] in _WAYS and any("".join(spoken[:n]) in _SERVICES for n in (1, 2, 3))
        )
        if named and _works(one) and not _reaches(index, Definition(file, one)):
            text = (
                f"{one.name} is named after a service, and no library or request that it uses could reach one"
            )
            yield Sign(NO_CLIENT, one.line, one.name, text)


def _works(one: Class) -> bool:
    """It does something under its name, rather than to describe or to leave it to others."""
    public = [m for m in one.methods if not m.name.startswith("_")]
    return bool(public) and not (
        one.abstract or one.decorated or any(m.kind == Kind.ABSTRACT for m in public)
    )


def _reaches(index: Index, of: Definition) -> bool:
    """Whether anything could: a parent or a library that is not known, or an object that it was given."""
    lineage = index.lineage(of)
    outside = {base.rpartition(".")[2] for heir in lineage for base in index.parents(heir)[1]}
    given = any(isinstance(heir.what, Class) and heir.what.asks_given for heir in lineage)
    if given or outside - _ROOTS:
        return True
    near = index.closure(heir.file for heir in lineage)
    return any(_leaves(index, file) for file in near)


def _leaves(index: Index, file: SourceFile) -> bool:
    return any(
        i.used and i.live and i.target.lstrip(".").split(".")[0] not in _STAYS_HERE
        for i in index.facts(file).imports
        if next(index.imported(i.target, file), None) is None
    )

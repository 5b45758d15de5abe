"""Why the object store refuses an operation."""

from __future__ import annotations


class ObjectsError(Exception):
    """An operation on the store that was refused; ``code`` is S3's name of the reason."""

    code = "InternalError"


class BucketMissing(ObjectsError):
    """There is no bucket of that name."""

    code = "NoSuchBucket"


class BucketExists(ObjectsError):
    """There is a bucket of that name already."""

    code = "BucketAlreadyOwnedByYou"


class BucketNotEmpty(ObjectsError):
    """A bucket that has objects is not deleted."""

    code = "BucketNotEmpty"


class KeyInvalid(ObjectsError):
    """A key is empty, longer than 1024 bytes, or no Unicode text."""

    code = "InvalidObjectName"


class PreconditionFailed(ObjectsError):
    """The object is not in the state that the caller asked for; nothing was changed."""

    code = "PreconditionFailed"


class DigestMismatch(ObjectsError):
    """The bytes that came are not those that the caller announced; nothing was changed."""

    code = "BadDigest"


class UploadMissing(ObjectsError):
    """There is no multipart upload of that id for that key."""

    code = "NoSuchUpload"


class PartInvalid(ObjectsError):
    """A part that is to be completed was not uploaded, or is another one."""

    code = "InvalidPart"

"""Why the object store refuses an operation, and how its faces say so."""

from __future__ import annotations


class ObjectsError(Exception):
    """An operation on the store that was refused.

    ``code`` and ``status`` are S3's; ``number`` is what R2's bindings call it.
    """

    status: int
    code: str
    number: int

    def __init_subclass__(cls, *, status: int, code: str, number: int = 0) -> None:
        """Make a reason; one without a number is not met by a binding."""
        cls.status, cls.code, cls.number = status, code, number


class BucketMissing(ObjectsError, status=404, code="NoSuchBucket", number=10006):
    """There is no bucket of that name."""


class BucketExists(ObjectsError, status=409, code="BucketAlreadyOwnedByYou"):
    """There is a bucket of that name already."""


class BucketNotEmpty(ObjectsError, status=409, code="BucketNotEmpty"):
    """A bucket that has objects is not deleted."""


class KeyInvalid(ObjectsError, status=400, code="InvalidObjectName", number=10020):
    """A key is empty, longer than 1024 bytes, or no Unicode text."""


class PreconditionFailed(ObjectsError, status=412, code="PreconditionFailed", number=10031):
    """The object is not in the state that the caller asked for; nothing was changed."""


class DigestMismatch(ObjectsError, status=400, code="BadDigest", number=10037):
    """The bytes that came are not those that the caller announced; nothing was changed."""


class UploadMissing(ObjectsError, status=404, code="NoSuchUpload", number=10024):
    """There is no multipart upload of that id for that key."""


class PartInvalid(ObjectsError, status=400, code="InvalidPart", number=10025):
    """A part that is to be completed was not uploaded, or is another one."""

"""The prose of the conformance statement: what cannot be read off the code."""

from __future__ import annotations

EDITION = "2026c"
"""The edition of the standard that it is written against."""

EXTENSIONS = (
    "relational queries",
    "combined date and time matching",
    "fuzzy matching of names",
)
"""Of a query's Service Class Application Information, by byte (PS3.4 Table C.5-1); of a retrieval's the first."""

OVERVIEW = f"""# DICOM conformance statement

Product: DIANA mesh, its DICOM network door (service `dimse`). In the form of PS3.2 Annex N, edition {EDITION}. Tables
come from the code that negotiates and answers. How to run it: [the DICOM network door](../dimse.md).

## 1 Overview

DIANA is an archive: it stores what modalities and PACS send, byte for byte, answers queries about it, and sends it
where it is asked to. As a user of others it queries them, retrieves from them and sends to them. It shows nothing, and
makes no objects of its own."""

CONTENT = """Table 1.1 has what is received, stored and sent, as SCP and as SCU, each in any transfer syntax of Section
7.2. Private SOP Classes, and those of later editions, are too where `other_sop_classes` names them. What is
stored is what came: the data set is kept byte for byte in the transfer syntax that was agreed to, and no attribute is
coerced."""

SERVICES = """Table 1.2. Each AE title may be configured to offer fewer; of each peer, what it may ask for."""

OTHER_SERVICES = """### 1.3 DICOM Web Services, media and real-time video

None by this door.

### 1.4 De-identification profiles

The service `anon` conforms to the Basic Profile and options of PS3.15
([which, attribute by attribute](deidentification.md)). The door itself changes nothing.

### 1.5 Specific Character Sets

Objects are stored as they come, whatever they declare. Identifiers are read in any character set of PS3.3 section
C.12.1.1.2, and answered in the one that they declare where it has all characters of the answer, else in UTF-8 (ISO_IR
192). As SCU we send Latin-1 (ISO_IR 100), and UTF-8 where that is not enough.

## 2 Table of contents

[1 Overview](#1-overview), [3 Introduction](#3-introduction), [4 Implementation model](#4-implementation-model),
[5 Services](#5-service-and-interoperability-description), [6 Configuration](#6-configuration),
[7 Network communication details](#7-network-communication-details), [8 Security](#8-security)"""

INTRODUCTION = """## 3 Introduction

**Revisions**: this page changes with the code; [CHANGELOG.md](../../CHANGELOG.md) says what. **Audience**: who connects
a modality, a PACS or a workstation to DIANA, and knows DICOM. **Remarks**: two conformance statements that fit do not
prove that two systems work together; try them. **Terms** are those of the standard. *Peer*: a remote Application Entity
that our configuration names. *Store*: a collection of the archive, which an AE title receives into and answers from.
**References**: PS3.2 to PS3.8 and PS3.15; [RPCs](rpc-dimse.md) and [settings](configuration.md) of the service."""

MODEL = """## 4 Implementation model

All AE titles of one service are one Application Entity: they share its ports, and differ in their store, their
services and their callers.

```
 modality ── C-STORE, N-ACTION, N-CREATE, N-SET, C-FIND (worklist) ──▶ ┌───────┐ ── bytes ───▶ archive
 PACS, workstation ── C-ECHO, C-FIND, C-MOVE, C-GET ─────────────────▶ │ dimse │ ── questions ▶ index
 PACS ◀── C-ECHO, C-FIND, C-MOVE, C-GET, C-STORE, N-ACTION ─────────── └───────┘ ◀── RPCs ──── diana-cli
```

Real-world activities: a requestor stores, asks or retrieves; a person or program has the service query a peer, retrieve
from it or send to it, the last two as operations that survive a restart."""

SERVICE_DESCRIPTIONS = """## 5 Service and interoperability description

**Verification.** C-ECHO is answered with success. As SCU: `diana-cli echo PEER`.

**Storage.** Success means that the instance is durable: it would survive a power cut. Level 2 (full), no coercion,
digital signatures are kept and not verified. An instance that is there already is a success; another data set under
its SOP Instance UID is refused, or kept beside the first, as the archive's store says. Nothing that was begun
and not finished is visible. Studies complete by the end of the association, by procedure steps, and by quiet. As SCU,
instances go in the transfer syntax that they have where the peer accepts it; else they are converted to Explicit VR
Little Endian, Implicit VR Little Endian or Explicit VR Big Endian, which decompresses pixels; nothing is compressed.

**Query.** Patient Root and Study Root, all levels, hierarchical, and relational where that is negotiated. Every
attribute that the index keeps is a matching key ([which](../queries.md)): single value, list of UIDs, wildcard,
range, sequence, universal. Retrieve AE Title and Instance Availability (ONLINE) are in every answer. C-CANCEL is
heeded between two answers. As SCU: Study Root below patient level, Patient Root at it; matching keys as the caller
gives them.

**Retrieval.** Of patients, studies, series and instances, with lists of UIDs at the level asked for. C-MOVE sends to
peers that the configuration names, over an association of its own, and counts what they answered; C-GET over the
association that asks. Transfer syntaxes are converted as for storage. C-CANCEL is heeded between two instances. As SCU:
whole studies, by C-MOVE to an AE title of ours or by C-GET.

**Storage commitment.** Push model. Commitment is to what the archive holds durably, and lasts until somebody deletes
it. What is not there yet is waited for (`commitment.arrival_seconds`). The result goes over the association that
asked while it is open, else over one of ours to the peer of that AE title, again and again. Failure Reason: 0112 not
held, 0119 held as another SOP Class, 0110 the archive failed. As SCU: after sending, where it is asked for.

**Modality worklist.** The files of a folder, one answer a scheduled procedure step. Every attribute that they hold is a
matching and a return key. Fuzzy matching and relational queries are not negotiated. SCP only.

**Modality performed procedure step.** N-CREATE, N-SET, N-GET (Modality Performed Procedure Step Retrieve). Steps are
kept for some time and told to the archive as evidence that their study is complete. SCP only; no notification."""

CONFIGURATION = """## 6 Configuration

Settings are read when the service starts: [all of them](configuration.md#dimse)."""

INITIATION = """Associations are initiated for RPCs and operations ([DimseService](rpc-dimse.md)), for the
sub-operations of C-MOVE and to report commitments; each is released once its work is done, and aborted where the peer
is silent for longer than `peers.NAME.timeout_seconds`. One that breaks is tried again (`peers.NAME.attempts`);
operations wait while a peer cannot be reached. Rejections that are permanent are not tried again."""

_PLAIN = "Explicit VR Little Endian, Implicit VR Little Endian"

PROPOSED = (
    ("Verification", "Verification SOP Class", "Implicit VR Little Endian, Explicit VR Little Endian", "SCU"),
    ("Query", "Patient Root and Study Root - FIND, with relational where a unique key above lacks", _PLAIN, "SCU"),
    ("Retrieval", "Study Root - MOVE", _PLAIN, "SCU"),
    (
        "Retrieval",
        "Study Root - GET, and the storage SOP Classes of the study",
        f"{_PLAIN}; for storage, compressed ones in contexts of their own as far as 128 suffice",
        "SCU; of storage SCP",
    ),
    ("Storage commitment, request", "Storage Commitment Push Model", _PLAIN, "SCU"),
    ("Storage commitment, report", "Storage Commitment Push Model", _PLAIN, "SCP"),
)

ACCEPTANCE = """**Associations that are accepted.** From whom `entities` and `peers` let in. More than one
presentation context of a SOP Class may be proposed; each is answered by itself."""

TRANSFER_SYNTAXES = """**Transfer syntaxes of storage.** In the order in which the requestor proposes them, so that
nobody converts for our sake; private ones are not accepted. The same hold for C-GET."""

EXTENDED = """SOP Class Extended Negotiation is answered for queries and retrieval. Of SCP/SCU role selection, the
requestor may be SCP of storage SOP Classes (for C-GET) and of storage commitment (to report). SOP Class Common Extended
Negotiation and User Identity are passed over."""

STATUSES = """Error Comment (0000,0902) has the reason, by its name in [errors](errors.md) or in words, and never a
patient's value. Failures of the network: what cannot be read as DICOM is answered with A-ABORT and a reason of PS3.8
Table 9-26; who is silent within a message, or between two for too long, is aborted, and nothing of an unfinished
message is kept. As user, a failure status of a peer fails what was asked, with the error PEER_REFUSED and the status;
warnings (Bxxx, 0001, 0107, 0116) count as done."""

SECURITY = """## 8 Security

**Secure transport**: TLS 1.2 and later, with the cipher suites that OpenSSL has for them by default; as acceptor on a
port of its own (`tls.listen`), with certificates of the callers asked for where `tls.client_ca_file` is set, and
names in them held against `peers.NAME.certificate_names`; as initiator for each peer (`peers.NAME.tls`), whose
certificate must be of the authority named and bear its host. That is meant for the BCP 195 TLS Secure Transport
Connection Profiles, whose lists of cipher suites are not enforced. **Ports**: those of `listen` and `tls.listen`;
11112 is registered for DICOM, 2762 for DICOM over TLS. Outgoing: those of the peers. **User identity**: none. **Who
may call**: AE title, address and certificate ([rules](../dimse.md)). **Audit trail**, digital signatures, media
security: none by this door. The rest of the mesh it reaches over gRPC, with mutual TLS where it is configured
([deploy](../deploy.md)).

## 9 Annexes

**Created IODs**: none, so that there are no tables of their attributes, and no mapping of attributes. **Structured
reports**: stored as they come. **Code sets**: none are used."""

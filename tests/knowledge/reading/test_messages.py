import contextlib
import struct
from email.message import EmailMessage
from pathlib import Path

import pytest

from chappe.knowledge.reading.model import ReadingError
from chappe.knowledge.reading.rtf_compression import decompressed
from office_support import codes, document, lines, read, table
from ole_writer import Tree, write_ole

JANUARY = struct.pack("<Q", 133_485_408_000_000_000)  # 1 January 2024, 00:00 UTC


def mail(**fields: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Élise Martin <elise@exemple.fr>"
    message["To"] = "accueil@exemple.fr"
    message["Date"] = "Tue, 05 Mar 2024 10:00:00 +0100"
    for name, value in fields.items():
        message[name] = value
    return message


def saved(message: EmailMessage, folder: Path) -> Path:
    path = folder / "courriel.eml"
    path.write_bytes(message.as_bytes())
    return path


def test_a_message_and_its_attachments(tmp_path: Path) -> None:
    message = mail(Subject="Réunion du 3 mars à l’école")
    message.set_content("Bonjour,\n\nÀ demain.")
    message.add_alternative(
        "<p>Bonjour,</p><table><tr><th>Heure<th>Salle<tr><td>9 h<td>B</table>", subtype="html"
    )
    message.add_attachment("a;b\n1;2\n", subtype="csv", filename="../../état civil.csv")
    inner = EmailMessage()
    inner["Subject"] = "Message transféré"
    inner.set_content("Dedans.")
    message.add_attachment(inner)
    result = read(saved(message, tmp_path))
    assert result.document is not None
    assert result.document.title == "Réunion du 3 mars à l’école"
    assert [text for _, _, text in lines(result.document)] == [
        "De : Élise Martin <elise@exemple.fr>",
        "À : accueil@exemple.fr",
        "Date : 05/03/2024 10:00",
        "Objet : Réunion du 3 mars à l’école",
        "Bonjour,",
        "Heure | Salle",
        "9 h | B",
    ]
    assert table(result.document)[1] == ["9 h", "B"]
    assert [member.name for member in result.members] == ["état civil.csv", "Message transféré.eml"]
    assert document(result.members[1].path, "x.eml").text.endswith("Dedans.")


def test_a_message_in_an_old_encoding(tmp_path: Path) -> None:
    path = tmp_path / "vieux.eml"
    path.write_bytes(
        b"From: a@b.fr\r\nSubject: =?iso-8859-1?Q?D=E9lib=E9ration?=\r\nTo: c@d.fr\r\n"
        b"Content-Type: text/plain; charset=iso-8859-1\r\n\r\n"
        + "La délibération coûte 5 € à l’élu.".encode("cp1252")
    )
    found = document(path)
    assert found.title == "Délibération"
    assert found.text.endswith("La délibération coûte 5 € à l’élu.")


def test_an_encrypted_message_says_so(tmp_path: Path) -> None:
    message = mail(Subject="Secret")
    message.set_content(b"\x30\x80", "application", "pkcs7-mime", filename="smime.p7m")
    with pytest.raises(ReadingError) as raised:
        read(saved(message, tmp_path))
    assert raised.value.code == "encrypted"


def test_parts_nested_beyond_measure_end(tmp_path: Path) -> None:
    path = tmp_path / "profond.eml"
    body = b"Content-Type: text/plain\r\n\r\nfond\r\n"
    for depth in range(2_000):
        mark = b"m%d" % depth
        body = b"Content-Type: multipart/mixed; boundary=%s\r\n\r\n--%s\r\n%s\r\n--%s--\r\n" % (
            mark,
            mark,
            body,
            mark,
        )
    path.write_bytes(b"From: a@b.fr\r\nTo: c@d.fr\r\nSubject: x\r\n" + body)
    # The standard library may give up; the reading process takes that for a broken file.
    with contextlib.suppress(RecursionError):
        assert document(path).text.endswith("fond")


def wide(text: str) -> bytes:
    return text.encode("utf-16-le")


def outlook(**more: "bytes | Tree") -> Tree:
    properties = bytes(32) + struct.pack("<HHI", 0x40, 0x0039, 6) + JANUARY
    return {
        "__properties_version1.0": properties,
        "__substg1.0_001A001F": wide("IPM.Note"),
        "__substg1.0_0037001F": wide("Arrêté municipal"),
        "__substg1.0_0C1A001F": wide("Élise Martin"),
        "__substg1.0_5D01001F": wide("elise@exemple.fr"),
        "__substg1.0_0E04001F": wide("accueil"),
        **more,
    }


def test_a_message_of_outlook(tmp_path: Path) -> None:
    path = tmp_path / "message.msg"
    inner = outlook(**{"__substg1.0_1000001F": wide("Le message inclus.")})
    write_ole(
        path,
        outlook(
            **{
                "__substg1.0_1000001F": wide("Bonjour,\r\n\r\nVoici l’arrêté."),
                "__attach_version1.0_#00000000": {
                    "__substg1.0_3707001F": wide("arrêté.txt"),
                    "__substg1.0_37010102": ("Article 1er. " * 500).encode(),
                },
                "__attach_version1.0_#00000001": {"__substg1.0_3701000D": inner},
            }
        ),
    )
    result = read(path)
    assert result.document is not None
    assert result.document.title == "Arrêté municipal"
    assert [text for _, _, text in lines(result.document)] == [
        "De : Élise Martin <elise@exemple.fr>",
        "À : accueil",
        "Date : 01/01/2024 00:00",
        "Objet : Arrêté municipal",
        "Bonjour,",
        "Voici l’arrêté.",
    ]
    assert [member.name for member in result.members] == ["arrêté.txt", "Arrêté municipal.eml"]
    assert result.members[0].path.stat().st_size == 6500
    assert document(result.members[1].path, "a.eml").text.endswith("Le message inclus.")


def test_an_outlook_message_whose_body_is_compressed_rtf(tmp_path: Path) -> None:
    # The example of [MS-OXRTFCP] §3.1.1.
    data = bytes.fromhex(
        "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af320"
        "68656c09002062"
        "7705b06c647d0a800fa0"
    )
    assert decompressed(data) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    path = tmp_path / "rtf.msg"
    write_ole(path, outlook(**{"__substg1.0_10090102": data}))
    assert document(path).text.endswith("hello world")


def test_a_damaged_outlook_message_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "coupe.msg"
    write_ole(path, outlook(**{"__substg1.0_1000001F": wide("x" * 9_000)}))
    path.write_bytes(path.read_bytes()[:3_000])
    with pytest.raises(ReadingError):
        read(path)


RTF = rb"""{\rtf1\ansi\ansicpg1252\uc1{\fonttbl{\f0 Arial;}}
{\colortbl;\red0\green0\blue0;\red255\green255\blue255;}
{\stylesheet{\s0 Normal;}{\s1\outlinelevel0 heading 1;}}
{\info{\title Guide des cong\'e9s}{\author Mairie}}
{\header En-t\'eate}\pard\s1\outlinelevel0 Dur\'e9e\par
\pard Le salari\'e9 a droit \'e0 2,5 jours \u8212?
{\v cach\'e9 }{\cf2 blanc }{\deleted ray\'e9 }
ouvrables{\footnote Une note.}.\par
{\pntext 1.\tab}premier point\par\pard
\trowd\clvmgf\cellx1000\cellx2000\cellx3000\pard\intbl A\cell B\cell C\cell\row
\trowd\clvmrg\cellx1000\cellx3000\pard\intbl \cell D\cell\row
\pard Fin {\*\inconnu rien}{\pict 00ff}.\par}"""


def test_rtf(tmp_path: Path) -> None:
    path = tmp_path / "guide.rtf"
    path.write_bytes(RTF)
    found = document(path)
    assert found.title == "Guide des congés"
    assert lines(found) == [
        ("heading", 1, "Durée"),
        ("paragraph", 0, "Le salarié a droit à 2,5 jours —ouvrables."),
        ("note", 0, "Note 1 : Une note."),
        ("item", 1, "1. premier point"),
        ("row", 0, "A | B | C"),
        ("row", 0, "A | D"),
        ("paragraph", 0, "Fin ."),
    ]
    assert table(found)[1] == ["A", "D", "D"]
    assert found.metadata["running_headers"] == ["En-tête"]
    assert found.metadata["hidden_text"] == ["caché blanc"]
    assert codes(found) == {"hidden_left_out", "tracked_changes"}


def test_rtf_nested_beyond_measure_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "profond.rtf"
    path.write_bytes(b"{\\rtf1 " + b"{" * 200_000 + b"x" + b"}" * 200_000)
    with pytest.raises(ReadingError) as raised:
        read(path)
    assert raised.value.code == "broken"

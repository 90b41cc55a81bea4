"""Writes the known documents as files, with the usual Python writers.

Run in an environment of its own (see `run.py`): `writers.py FOLDER COUNT`. Each file holds, beside
the text, what a reader of it doesn't see, where the format can: hidden text, a deleted sentence.
"""

from __future__ import annotations

import csv
import html
import io
import sys
import zipfile
from email.message import EmailMessage
from pathlib import Path

import docx
import odfdo
import openpyxl
import pypdfium2
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from PIL import Image
from pptx import Presentation
from pptx.util import Inches
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import (
    BaseDocTemplate,
    Frame,
    ListFlowable,
    PageTemplate,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
    TableStyle,
)  # fmt: skip
from truth import DELETED, HIDDEN, Part, Truth, document, number


def write_docx(truth: Truth, path: Path) -> None:
    file = docx.Document()
    file.add_heading(truth.title, 0)
    for part in truth.parts:
        if part.kind == "heading":
            file.add_heading(part.text, part.level)
        elif part.kind == "table":
            table = file.add_table(len(part.rows), len(part.rows[0]), style="Table Grid")
            for line, row in enumerate(part.rows):
                for column, text in enumerate(row):
                    table.cell(line, column).text = text
        else:
            style = {1: "List Bullet", 2: "List Bullet 2"}.get(part.level)
            file.add_paragraph(part.text, style=style)
    paragraph = file.add_paragraph("")
    paragraph.add_run(HIDDEN).font.hidden = True
    deletion = OxmlElement("w:del")
    run, text = OxmlElement("w:r"), OxmlElement("w:delText")
    deletion.set(qn("w:id"), "1")
    text.text = DELETED
    run.append(text)
    deletion.append(run)
    paragraph._p.append(deletion)
    file.save(path)


def write_odt(truth: Truth, path: Path) -> None:
    file = odfdo.Document("text")
    file.body.clear()
    hidden = odfdo.Style("text", name="cache", display="none")
    file.insert_style(hidden, automatic=True)
    hidden.set_properties({"text:display": "none"}, area="text")
    file.body.append(odfdo.Paragraph(truth.title, style="Title"))
    bullets: odfdo.List | None = None
    for index, part in enumerate(truth.parts):
        if part.kind == "item":
            bullets = bullets or odfdo.List()
            item = odfdo.ListItem(part.text)
            if part.level == 2:
                bullets.children[-1].append(odfdo.List([part.text]))
            else:
                bullets.append(item)
            continue
        if bullets is not None:
            file.body.append(bullets)
            bullets = None
        if part.kind == "heading":
            file.body.append(odfdo.Header(part.level, part.text))
        elif part.kind == "table":
            table = odfdo.Table(f"T{index}")
            table.set_values([list(row) for row in part.rows])
            file.body.append(table)
        else:
            file.body.append(odfdo.Paragraph(part.text))
    paragraph = odfdo.Paragraph("")
    paragraph.append(odfdo.Span(HIDDEN, style="cache"))
    file.body.append(paragraph)
    file.save(str(path))


def write_pptx(truth: Truth, path: Path) -> None:
    show = Presentation()
    slide = show.slides.add_slide(show.slide_layouts[0])
    slide.shapes.title.text = truth.title
    for heading, parts in _sections(truth):
        text = [part for part in parts if part.kind != "table"]
        slide = show.slides.add_slide(show.slide_layouts[1])
        slide.shapes.title.text = heading.text
        frame = slide.placeholders[1].text_frame
        for index, part in enumerate(text):
            paragraph = frame.paragraphs[0] if not index else frame.add_paragraph()
            paragraph.text, paragraph.level = part.text, max(part.level - 1, 0)
        for part in parts:
            if part.kind == "table":
                shape = slide.shapes.add_table(
                    len(part.rows), len(part.rows[0]), Inches(1), Inches(5), Inches(8), Inches(2)
                )
                for line, row in enumerate(part.rows):
                    for column, cell in enumerate(row):
                        shape.table.cell(line, column).text = cell
    show.save(path)


def write_odp(truth: Truth, path: Path) -> None:
    file = odfdo.Document("presentation")
    file.body.clear()
    sections = [(Part("heading", truth.title, 1), []), *_sections(truth)]
    for index, (heading, parts) in enumerate(sections):
        page = odfdo.DrawPage(f"p{index}", name=f"Diapo {index}")
        page.append(odfdo.Frame.text_frame(heading.text, presentation_class="title"))
        lines = [part.text for part in parts if part.kind != "table"]
        if lines:
            page.append(odfdo.Frame.text_frame(lines, presentation_class="outline"))
        for number_, part in enumerate(part for part in parts if part.kind == "table"):
            table = odfdo.Table(f"T{number_}")
            table.set_values([list(row) for row in part.rows])
            frame = odfdo.Frame()
            frame.append(table)
            page.append(frame)
        file.body.append(page)
    file.save(str(path))


def _sections(truth: Truth) -> list[tuple[Part, list[Part]]]:
    found: list[tuple[Part, list[Part]]] = []
    for part in truth.parts:
        if part.kind == "heading":
            found.append((part, []))
        else:
            found[-1][1].append(part)
    return found


def write_xlsx(truth: Truth, path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = truth.title[:31]
    for part in truth.parts:
        for row in part.rows:
            sheet.append([number(cell) or cell for cell in row])
            for cell in sheet[sheet.max_row]:
                if isinstance(cell.value, float):
                    cell.number_format = '#,##0.00\\ "€"'
        if part.rows:
            sheet.append([])
    hidden = book.create_sheet("Notes")
    hidden["A1"], hidden.sheet_state = HIDDEN, "hidden"
    book.save(path)


def write_ods(truth: Truth, path: Path) -> None:
    file = odfdo.Document("spreadsheet")
    file.body.clear()
    table = odfdo.Table(truth.title[:31])
    rows: list[list[str]] = []
    for part in truth.parts:
        rows += [list(row) for row in part.rows] + ([[]] if part.rows else [])
    table.set_values(rows)
    file.body.append(table)
    file.save(str(path))


def write_csv(truth: Truth, path: Path) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";")
    for part in truth.parts:
        writer.writerows(part.rows)
    path.write_bytes(out.getvalue().encode("cp1252"))


def as_html(truth: Truth, *, hidden: bool = True) -> str:
    lines = [f"<h1>{html.escape(truth.title)}</h1>"]
    depth = 0
    for part in truth.parts:
        wanted = part.level if part.kind == "item" else 0
        lines += ["<ul>"] * (wanted - depth) + ["</ul>"] * (depth - wanted)
        depth = wanted
        if part.kind == "heading":
            lines.append(f"<h{part.level + 1}>{html.escape(part.text)}</h{part.level + 1}>")
        elif part.kind == "table":
            rows = (
                "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
                for row in part.rows
            )
            lines.append(f"<table>{''.join(rows)}</table>")
        else:
            tag = "li" if part.kind == "item" else "p"
            lines.append(f"<{tag}>{html.escape(part.text)}</{tag}>")
    lines += ["</ul>"] * depth
    if hidden:
        lines.append(f'<p style="display:none">{HIDDEN}</p>')
    return "\n".join(lines)


def write_html(truth: Truth, path: Path) -> None:
    menu = "".join(f"<li><a href='#'>Rubrique {i}</a></li>" for i in range(20))
    path.write_text(
        f"<!doctype html><html lang=fr><head><meta charset=utf-8><title>{truth.title}</title>"
        f"<style>p {{ margin: 0 }}</style><script>var a = 'code';</script></head><body>"
        f"<header><nav><ul>{menu}</ul></nav></header><main>{as_html(truth)}</main>"
        f"<footer>Mentions légales</footer></body></html>",
        encoding="utf-8",
    )


def write_md(truth: Truth, path: Path) -> None:
    lines = [f"# {truth.title}", ""]
    for part in truth.parts:
        if part.kind == "heading":
            lines += [f"{'#' * (part.level + 1)} {part.text}", ""]
        elif part.kind == "item":
            lines.append("  " * (part.level - 1) + f"- {part.text}")
        elif part.kind == "table":
            head, *rows = part.rows
            lines += ["", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
            lines += [f"| {' | '.join(row)} |" for row in rows] + [""]
        else:
            lines += ["", part.text, ""]
    path.write_text("\n".join(lines), encoding="utf-8")


def write_txt(truth: Truth, path: Path) -> None:
    lines = [truth.title, ""]
    for part in truth.parts:
        if part.rows:
            lines += ["    ".join(row) for row in part.rows] + [""]
        else:
            lines += [f"- {part.text}" if part.kind == "item" else part.text, ""]
    path.write_bytes("\r\n".join(lines).encode("cp1252"))


def write_epub(truth: Truth, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("mimetype", "application/epub+zip")
        book.writestr(
            "META-INF/container.xml",
            '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0">'
            '<rootfiles><rootfile full-path="c.opf" media-type="application/oebps-package+xml"/>'
            "</rootfiles></container>",
        )
        book.writestr(
            "c.opf",
            '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="i">'
            '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier id="i">1'
            f"</dc:identifier><dc:title>{truth.title}</dc:title><dc:language>fr</dc:language>"
            '</metadata><manifest><item id="a" href="a.xhtml" media-type="application/xhtml+xml"/>'
            '</manifest><spine><itemref idref="a"/></spine></package>',
        )
        book.writestr(
            "a.xhtml",
            '<html xmlns="http://www.w3.org/1999/xhtml"><head><title>x</title></head><body>'
            f"{as_html(truth)}</body></html>",
        )


def write_eml(truth: Truth, path: Path) -> None:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = truth.title, "mairie@exemple.fr", "a@exemple.fr"
    mail.set_content(f"<html><body>{as_html(truth)}</body></html>", subtype="html")
    path.write_bytes(mail.as_bytes())


def _flowables(truth: Truth) -> list[object]:
    styles = getSampleStyleSheet()
    found: list[object] = [Paragraph(truth.title, styles["Title"])]
    for part in truth.parts:
        if part.kind == "heading":
            found.append(Paragraph(part.text, styles[f"Heading{part.level}"]))
        elif part.kind == "table":
            ruled = TableStyle([("GRID", (0, 0), (-1, -1), 0.5, "black")])
            found += [Table([list(row) for row in part.rows], style=ruled), Spacer(1, 8)]
        elif part.kind == "item":
            entry = Paragraph(part.text, styles["Normal"])
            found.append(
                ListFlowable([entry], bulletType="bullet", leftIndent=18 * part.level, start="•")
            )
        else:
            found += [Paragraph(part.text, styles["Normal"]), Spacer(1, 6)]
    return found


def write_pdf(truth: Truth, path: Path) -> None:
    SimpleDocTemplate(str(path), pagesize=A4).build(_flowables(truth))


def write_columns_pdf(truth: Truth, path: Path) -> None:
    width, height = A4
    frames = [Frame(x, 50, width / 2 - 60, height - 100) for x in (45, width / 2 + 15)]
    template = BaseDocTemplate(str(path), pagesize=A4)
    template.addPageTemplates([PageTemplate(frames=frames)])
    template.build(_flowables(truth))


def write_scan_pdf(truth: Truth, path: Path) -> None:
    source = path.with_suffix(".source")
    write_pdf(truth, source)
    pages = [
        page.render(scale=200 / 72).to_pil().convert("L").rotate(0.4, fillcolor=255)
        for page in pypdfium2.PdfDocument(source)
    ]
    first: Image.Image = pages[0]
    first.save(path, "PDF", save_all=True, append_images=pages[1:], resolution=200)
    source.unlink()


WRITERS = {
    "docx": write_docx, "odt": write_odt, "pptx": write_pptx, "odp": write_odp,
    "xlsx": write_xlsx, "ods": write_ods, "csv": write_csv, "html": write_html, "md": write_md,
    "txt": write_txt, "epub": write_epub, "eml": write_eml, "pdf": write_pdf,
    "columns.pdf": write_columns_pdf, "scan.pdf": write_scan_pdf,
}  # fmt: skip


def main() -> None:
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    for kind, write in WRITERS.items():
        for seed in range(1, count + 1):
            write(document(seed), folder / f"{seed}.{kind}")


if __name__ == "__main__":
    main()

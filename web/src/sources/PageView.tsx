import { Button } from "@gouvfr-lasuite/cunningham-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { asFailure } from "../api/failure";
import type { DocumentPage, Span } from "../api/types";
import { formatNumber } from "../i18n/format";
import { FailureNotice } from "../layout/FailureNotice";
import { markedLines } from "./lines";
import { useBoxes, usePageImage, type Place } from "./usePageImage";

const WIDTH = 1200;

interface Props {
  place: Place;
  pages: readonly DocumentPage[];
  cited: Span | null;
}

function firstPageOf(pages: readonly DocumentPage[], cited: Span | null): number {
  const holding = cited && pages.find((page) => page.end > cited.start && page.start <= cited.start);
  return holding ? holding.number : (pages[0]?.number ?? 1);
}

/** The pages of a document as they were laid out, the cited span marked on them. */
export function PageView({ place, pages, cited }: Props) {
  const { t, i18n } = useTranslation();
  const [number, setNumber] = useState(() => firstPageOf(pages, cited));
  useEffect(() => setNumber(firstPageOf(pages, cited)), [pages, cited]);
  const page = pages.find((each) => each.number === number);
  const image = usePageImage(place, number, WIDTH);
  const boxes = useBoxes(place, cited);
  const marked = useMemo(
    () =>
      page && page.width > 0 && page.height > 0
        ? markedLines(
            (boxes.data ?? []).filter((box) => box.page === number),
            page.width,
            page.height,
          )
        : [],
    [boxes.data, page, number],
  );
  const first = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    if (image.address) first.current?.scrollIntoView({ block: "center" });
  }, [image.address, marked]);
  if (!page) return null;
  const at = pages.indexOf(page);
  const go = (step: number) => setNumber(pages[at + step]?.number ?? number);
  const ratio = page.width > 0 && page.height > 0 ? `${page.width} / ${page.height}` : undefined;

  return (
    <div className="page-view" data-testid="page-view">
      {pages.length > 1 && (
        <div className="page-view__bar">
          <Button
            type="button"
            variant="bordered"
            size="small"
            aria-disabled={at === 0}
            data-testid="page-before"
            onClick={() => go(-1)}
          >
            {t("pages.before")}
          </Button>
          <p role="status">{t("pages.at", { number, count: pages.length })}</p>
          <Button
            type="button"
            variant="bordered"
            size="small"
            aria-disabled={at === pages.length - 1}
            data-testid="page-after"
            onClick={() => go(1)}
          >
            {t("pages.after")}
          </Button>
        </div>
      )}
      {page.text === "ocr" && (
        <p className="hint">
          {t("pages.recognised", {
            confidence: formatNumber((page.confidence ?? 0) * 100, i18n.language, 0),
          })}
        </p>
      )}
      {image.error && (
        <FailureNotice failure={asFailure(image.error)} onRetry={() => void image.refetch()} />
      )}
      {boxes.error && (
        <FailureNotice failure={asFailure(boxes.error)} onRetry={() => void boxes.refetch()} />
      )}
      <div className="page-view__sheet" style={ratio ? { aspectRatio: ratio } : undefined}>
        {image.address && (
          <img
            src={image.address}
            alt={t(marked.length > 0 ? "pages.imageMarked" : "pages.image", { number })}
          />
        )}
        {image.address &&
          marked.map((area, index) => (
            <span
              key={index}
              ref={index === 0 ? first : undefined}
              className="page-view__mark"
              aria-hidden="true"
              data-testid="page-mark"
              style={{
                left: `${area.left * 100}%`,
                top: `${area.top * 100}%`,
                width: `${area.width * 100}%`,
                height: `${area.height * 100}%`,
              }}
            />
          ))}
      </div>
    </div>
  );
}

import { Button } from "@gouvfr-lasuite/cunningham-react";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { fetchDocument } from "../api/client";
import { asFailure } from "../api/failure";
import { formatDate } from "../i18n/format";
import { CrossIcon } from "../layout/icons";
import { FailureNotice } from "../layout/FailureNotice";
import { Notice } from "../layout/Notice";
import { Tabs } from "../layout/Tabs";
import { DocumentBody } from "./DocumentBody";
import { DocumentFacts } from "./DocumentFacts";
import { PageView } from "./PageView";
import type { SourceTarget } from "./target";

interface Props {
  target: SourceTarget;
  /** True where the panel covers the page and everything else is inert. */
  covering: boolean;
  onClose: () => void;
}

/** Brings the first cited run into view; beside the answer, the panel alone is scrolled. */
function scrollToCited(scroller: HTMLElement, covering: boolean) {
  const cited = scroller.querySelector("mark");
  if (!cited) {
    scroller.scrollTop = 0;
    return;
  }
  if (covering) {
    cited.scrollIntoView({ block: "center" });
    return;
  }
  const distance = cited.getBoundingClientRect().top - scroller.getBoundingClientRect().top;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  scroller.scrollTo({
    top: scroller.scrollTop + distance - scroller.clientHeight / 4,
    behavior: calm ? "auto" : "smooth",
  });
}

/** A document beside the answer, opened at the place that was cited: its text, or its page. */
export function SourcePanel({ target, covering, onClose }: Props) {
  const { t, i18n } = useTranslation();
  const title = useRef<HTMLHeadingElement>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const [view, setView] = useState<"text" | "page">("text");
  const { data, error, refetch } = useQuery({
    queryKey: ["document", target.documentId, target.version, i18n.language],
    queryFn: ({ signal }) =>
      fetchDocument(target.documentId, i18n.language, signal, target.version),
    staleTime: 5 * 60_000,
    networkMode: "always",
    retry: false,
  });

  useEffect(() => title.current?.focus({ preventScroll: !covering }), [target, covering]);
  useEffect(() => {
    if (data && view === "text" && scroller.current) scrollToCited(scroller.current, covering);
  }, [data, target, covering, view]);
  const body = data && <DocumentBody source={data} cited={target.span} />;

  return (
    <section
      className="panel"
      data-testid="source-panel"
      aria-labelledby="panel-title"
      {...(covering ? { role: "dialog", "aria-modal": true } : { role: "complementary" })}
    >
      <div className="panel__head">
        <h2 id="panel-title" ref={title} tabIndex={-1} lang={data ? "fr" : undefined}>
          {data?.title ?? t("source.loading")}
        </h2>
        <Button
          type="button"
          variant="tertiary"
          size="small"
          data-testid="close-panel"
          icon={<CrossIcon />}
          onClick={onClose}
        >
          {t("source.close")}
        </Button>
      </div>
      {(data?.stale || target.doubt) && (
        <div className="panel__warnings">
          {target.doubt && <Notice tone="warning">{t("source.doubt")}</Notice>}
          {data?.stale && data.date && (
            <Notice tone="warning">
              {t(data.kind === "article" ? "source.staleArticle" : "source.stale", {
                date: formatDate(data.date, i18n.language),
              })}
            </Notice>
          )}
        </div>
      )}
      <div
        className="panel__body"
        ref={scroller}
        tabIndex={0}
        role="region"
        aria-label={t("source.text")}
        aria-busy={!data && !error}
      >
        {error && <FailureNotice failure={asFailure(error)} onRetry={() => void refetch()} />}
        {data && <DocumentFacts source={data} />}
        {data?.drawable ? (
          <Tabs
            label={t("source.views")}
            tabs={[
              { name: "text", title: t("source.asText") },
              { name: "page", title: t("source.asPage") },
            ]}
            shown={view}
            onShow={setView}
          >
            {view === "text" ? (
              body
            ) : (
              <PageView
                place={{ documentId: target.documentId, version: data.version }}
                pages={data.pages}
                cited={target.span}
              />
            )}
          </Tabs>
        ) : (
          body
        )}
      </div>
    </section>
  );
}

import { Button } from "@gouvfr-lasuite/cunningham-react";
import { useEffect, useId, useRef, useState, type DragEvent } from "react";
import { useTranslation } from "react-i18next";
import { RowButton } from "../admin/parts/RowButton";
import { formatNumber } from "../i18n/format";
import { FailureNotice } from "../layout/FailureNotice";
import { useUploads } from "./useUploads";

/** Files are dropped here, or chosen; each tells how far it is and why it was refused. */
export function UploadArea({ slug, onSaid }: { slug: string; onSaid: (text: string) => void }) {
  const { t, i18n } = useTranslation();
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);
  const { files, busy, add, again, clear } = useUploads(slug, i18n.language);
  const refused = files.filter((each) => each.state === "refused").length;
  const done = files.filter((each) => each.state === "received" || each.state === "unchanged").length;

  const wasBusy = useRef(false);
  useEffect(() => {
    if (wasBusy.current && !busy) {
      onSaid(t(refused > 0 ? "collections.sentSome" : "collections.sentAll", { count: done, refused }));
    }
    wasBusy.current = busy;
  }, [busy, done, refused, onSaid, t]);

  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    add(event.dataTransfer.files);
  };

  return (
    <div
      className="drop"
      data-over={over}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <p id={`${id}-hint`}>{t("collections.dropHint")}</p>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        data-testid="files"
        onChange={(event) => {
          add(event.target.files ?? []);
          event.target.value = "";
        }}
      />
      <div className="buttons">
        <Button
          type="button"
          aria-describedby={`${id}-hint`}
          data-testid="choose-files"
          onClick={() => input.current?.click()}
        >
          {t("collections.choose")}
        </Button>
        {!busy && done > 0 && (
          <Button type="button" variant="bordered" onClick={clear}>
            {t("collections.clear")}
          </Button>
        )}
      </div>
      {files.length > 0 && (
        <ul className="sent" aria-label={t("collections.sending")} data-testid="sent">
          {files.map((each) => (
            <li key={each.id} data-state={each.state}>
              <span>{each.file.name}</span>
              {each.state === "sending" ? (
                <progress
                  value={each.sent}
                  aria-label={t("collections.sendingOf", { name: each.file.name })}
                >
                  {formatNumber(each.sent * 100, i18n.language, 0)}
                </progress>
              ) : (
                <span className="hint">{t(`collections.sent.${each.state}`)}</span>
              )}
              {each.failure && <FailureNotice topic="administration" failure={each.failure} />}
              {each.state === "refused" && (
                <RowButton
                  label={t("collections.again")}
                  of={each.file.name}
                  onClick={() => again(each.id)}
                />
              )}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

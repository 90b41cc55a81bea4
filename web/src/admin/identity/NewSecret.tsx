import { Button } from "@gouvfr-lasuite/cunningham-react";
import { useEffect, useId, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Notice } from "../../layout/Notice";

interface Props {
  name: string;
  secret: string;
  onClose: () => void;
}

/** A new key's secret: shown once, to copy now. */
export function NewSecret({ name, secret, onClose }: Props) {
  const { t } = useTranslation();
  const id = useId();
  const box = useRef<HTMLInputElement>(null);
  const [copied, setCopied] = useState(false);
  useEffect(() => box.current?.focus(), []);
  const copy = async () => {
    // Without a clipboard, as on an address without TLS, the text is left selected for the keys.
    box.current?.select();
    await navigator.clipboard?.writeText(secret);
    setCopied(navigator.clipboard !== undefined);
  };
  return (
    <Notice tone="warning">
      <p>{t("admin.keys.once")}</p>
      <div className="field">
        <label htmlFor={id}>{t("admin.keys.secretOf", { name })}</label>
        <input
          ref={box}
          id={id}
          className="code"
          readOnly
          data-testid="new-secret"
          value={secret}
          onFocus={(event) => event.target.select()}
        />
      </div>
      <div className="buttons">
        <Button type="button" data-testid="copy" onClick={() => void copy()}>
          {t("admin.keys.copy")}
        </Button>
        <Button type="button" variant="bordered" data-testid="secret-kept" onClick={onClose}>
          {t("admin.keys.kept")}
        </Button>
        <span role="status">{copied && t("admin.keys.copied")}</span>
      </div>
    </Notice>
  );
}

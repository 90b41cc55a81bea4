import { Button } from "@gouvfr-lasuite/cunningham-react";
import { useTranslation } from "react-i18next";
import { call } from "../../api/client";
import { FailureNotice } from "../../layout/FailureNotice";
import { useAction } from "../parts/useAction";

interface Props {
  /** Under /api/admin. */
  path: string;
  file: string;
  label: string;
}

/** Saves a file that only a key may read, so an ordinary link can't. */
export function DownloadButton({ path, file, label }: Props) {
  const { t, i18n } = useTranslation();
  const action = useAction();
  const download = () =>
    action.run(async () => {
      const response = await call(`/api/admin/${path}`, i18n.language);
      const link = document.createElement("a");
      link.href = URL.createObjectURL(await response.blob());
      link.download = file;
      link.click();
      URL.revokeObjectURL(link.href);
    }, t("admin.done.downloaded", { name: file }));
  return (
    <>
      {action.failure && <FailureNotice topic="administration" failure={action.failure} />}
      <Button
        type="button"
        variant="bordered"
        data-testid={`download-${file}`}
        aria-disabled={action.busy}
        onClick={() => void download()}
      >
        {label}
      </Button>
    </>
  );
}

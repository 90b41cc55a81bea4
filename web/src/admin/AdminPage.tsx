import { useCallback, useEffect, useRef, useState, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { useQueryClient } from "@tanstack/react-query";
import { KeyForm } from "../access/KeyForm";
import { forgetKey, readKey } from "../access/key";
import { isUnauthorised } from "../api/failure";
import { useStatus } from "../corpus/useStatus";
import { FailureNotice } from "../layout/FailureNotice";
import { Footer } from "../layout/Footer";
import { Header } from "../layout/Header";
import { AuditSection } from "./audit/AuditSection";
import { CatalogueSection } from "./catalogue/CatalogueSection";
import { IdentitySection } from "./identity/IdentitySection";
import { LimitsSection } from "./limits/LimitsSection";
import { LiveSection } from "./live/LiveSection";
import { ConfirmProvider } from "./parts/Confirm";
import { Announce } from "./parts/useAction";
import { ADMIN } from "./parts/useAdmin";
import { SectionNav } from "./SectionNav";
import { MANAGED, SECTIONS, type Section } from "./section";
import { UsageSection } from "./usage/UsageSection";
import { useRights } from "./useRights";

/** How long the result of an action stays over the page, in milliseconds. */
const RESULT_MS = 10_000;

/** The administration: what runs, the catalogue, organisations, limits, accounts and audit log. */
export default function AdminPage({ section }: { section: Section }) {
  const { t, i18n } = useTranslation();
  const client = useQueryClient();
  const status = useStatus(i18n.language);
  const [hasKey, setHasKey] = useState(() => readKey() !== null);
  const { rights, failure, retry } = useRights(hasKey);
  const [message, setMessage] = useState("");
  const heading = useRef<HTMLHeadingElement>(null);
  const main = useRef<HTMLElement>(null);
  const operator = rights === "operate";
  const sections = operator ? SECTIONS : MANAGED;
  const shown = sections.includes(section) ? section : sections[0]!;
  const title = t(`admin.section.${shown}`);

  useEffect(() => {
    document.title = t("admin.documentTitle", { section: title });
    return () => {
      document.title = t("header.documentTitle");
    };
  }, [t, title]);

  // Who comes by a link to a section is led to its heading; who has just arrived isn't.
  const arrived = useRef<Section | null>(null);
  useEffect(() => {
    if (!rights) return;
    if (arrived.current !== null && arrived.current !== shown) heading.current?.focus();
    arrived.current = shown;
    setMessage("");
  }, [rights, shown]);

  useEffect(() => {
    if (!message) return;
    const timer = setTimeout(() => setMessage(""), RESULT_MS);
    return () => clearTimeout(timer);
  }, [message]);

  const announce = useCallback((text: string) => setMessage(text), []);
  const useKey = useCallback(() => {
    setHasKey(true);
    void client.resetQueries({ queryKey: [ADMIN] });
    void client.invalidateQueries({ queryKey: ["status"] });
  }, [client]);

  const body = (): ReactNode => {
    if (!hasKey || (failure && isUnauthorised(failure))) {
      return (
        <>
          <p>{t("admin.keyNeeded")}</p>
          <KeyForm onSaved={useKey} />
        </>
      );
    }
    if (rights === "none") {
      return (
        <>
          <p data-testid="no-right">{t("admin.noRight")}</p>
          <KeyForm onSaved={useKey} />
        </>
      );
    }
    if (failure) return <FailureNotice topic="administration" failure={failure} onRetry={retry} />;
    if (!rights) return <p className="hint">{t("admin.loading")}</p>;
    return (
      <>
        <SectionNav sections={sections} current={shown} />
        <h2 ref={heading} tabIndex={-1}>
          {title}
        </h2>
        {shown === "live" && <LiveSection />}
        {shown === "catalogue" && <CatalogueSection />}
        {shown === "identity" && <IdentitySection operator={operator} />}
        {shown === "limits" && <LimitsSection operator={operator} />}
        {shown === "usage" && <UsageSection />}
        {shown === "audit" && <AuditSection operator={operator} />}
      </>
    );
  };

  return (
    <div className="page page--wide">
      <a
        className="skip"
        href="#admin-main"
        onClick={(event) => {
          // The address says which section is shown.
          event.preventDefault();
          main.current?.focus();
        }}
      >
        {t("skip")}
      </a>
      <Header title={t("admin.title")} />
      <main ref={main} id="admin-main" tabIndex={-1} className="main" data-testid="admin">
        <Announce.Provider value={announce}>
          <ConfirmProvider>{body()}</ConfirmProvider>
        </Announce.Provider>
        <p role="status" className="result" data-testid="result">
          {message}
        </p>
        {rights && (
          <p>
            <button
              type="button"
              className="link"
              onClick={() => {
                forgetKey();
                setHasKey(false);
                client.removeQueries({ queryKey: [ADMIN] });
              }}
            >
              {t("admin.forgetKey")}
            </button>
          </p>
        )}
      </main>
      <Footer status={status.data} />
    </div>
  );
}

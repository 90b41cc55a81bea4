import { lazy, Suspense, useEffect, useState } from "react";
import { App } from "./App";
import { adminSection } from "./admin/section";

const AdminPage = lazy(() => import("./admin/AdminPage"));

/** The questions, or the administration where the address says so; a conversation is kept. */
export function Root() {
  const [hash, setHash] = useState(() => location.hash);
  useEffect(() => {
    const onChange = () => setHash(location.hash);
    window.addEventListener("hashchange", onChange);
    return () => window.removeEventListener("hashchange", onChange);
  }, []);
  const section = adminSection(hash);
  return (
    <>
      {section && (
        <Suspense>
          <AdminPage section={section} />
        </Suspense>
      )}
      <div className="root-part" hidden={section !== null}>
        <App />
      </div>
    </>
  );
}

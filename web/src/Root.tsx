import { lazy, Suspense, useEffect, useState } from "react";
import { App } from "./App";
import { adminSection } from "./admin/section";
import { collectionPlace } from "./collections/place";

const AdminPage = lazy(() => import("./admin/AdminPage"));
const CollectionsPage = lazy(() => import("./collections/CollectionsPage"));

/** The questions, or what the address says instead of them; a conversation is kept. */
export function Root() {
  const [hash, setHash] = useState(() => location.hash);
  useEffect(() => {
    const onChange = () => setHash(location.hash);
    window.addEventListener("hashchange", onChange);
    return () => window.removeEventListener("hashchange", onChange);
  }, []);
  const section = adminSection(hash);
  const place = collectionPlace(hash);
  return (
    <>
      {section && (
        <Suspense>
          <AdminPage section={section} />
        </Suspense>
      )}
      {place && (
        <Suspense>
          <CollectionsPage place={place} />
        </Suspense>
      )}
      <div className="root-part" hidden={section !== null || place !== null}>
        <App />
      </div>
    </>
  );
}

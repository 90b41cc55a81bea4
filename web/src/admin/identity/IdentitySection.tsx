import { KeyPart } from "./KeyPart";
import { OrganisationPart } from "./OrganisationPart";

/** Who may call: keys, and the organisations that they act for. */
export function IdentitySection({ operator }: { operator: boolean }) {
  return (
    <>
      <KeyPart operator={operator} />
      <OrganisationPart operator={operator} />
    </>
  );
}

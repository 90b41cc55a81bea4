import { GroupPart } from "./GroupPart";
import { KeyPart } from "./KeyPart";
import { OrganisationPart } from "./OrganisationPart";
import { PersonPart } from "./PersonPart";

/** Who may call: keys, people and their groups, and organisations. */
export function IdentitySection({ operator }: { operator: boolean }) {
  return (
    <>
      <KeyPart operator={operator} />
      <PersonPart operator={operator} />
      <GroupPart operator={operator} />
      <OrganisationPart operator={operator} />
    </>
  );
}

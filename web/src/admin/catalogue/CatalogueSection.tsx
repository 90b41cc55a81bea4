import { EndpointPart } from "./EndpointPart";
import { FilePart } from "./FilePart";
import { ModelPart } from "./ModelPart";
import { ProposalPart } from "./ProposalPart";

/** Models, the servers that serve them, what servers announce, and the declarative file. */
export function CatalogueSection() {
  return (
    <>
      <ModelPart />
      <EndpointPart />
      <ProposalPart />
      <FilePart />
    </>
  );
}

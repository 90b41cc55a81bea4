import { Button } from "@gouvfr-lasuite/cunningham-react";
import { useId } from "react";
import type { Choice, Clarification } from "../api/types";

interface Props {
  clarification: Clarification;
  /** An answer is coming: nothing can be asked now. */
  busy: boolean;
  onChoose: (choice: Choice) => void;
}

/** The cases that the sources tell apart and the question doesn't; one is chosen to ask again. */
export function Choices({ clarification, busy, onChoose }: Props) {
  const id = useId();
  return (
    <div className="choices" role="group" aria-labelledby={id} data-testid="choices">
      <p id={id}>{clarification.question}</p>
      <div className="buttons">
        {clarification.choices.map((choice) => (
          <Button
            key={`${choice.document} ${choice.path.join(" / ")}`}
            type="button"
            variant="bordered"
            size="small"
            aria-disabled={busy}
            onClick={() => !busy && onChoose(choice)}
          >
            <span lang="fr">{choice.label}</span>
          </Button>
        ))}
      </div>
    </div>
  );
}

import { Fragment, useMemo } from "react";
import { useTranslation } from "react-i18next";
import type { Sentence, Source } from "../api/types";
import { WarningIcon } from "../layout/icons";
import type { OpenSource } from "../sources/target";
import { CitationReference } from "./CitationReference";
import { layAnswer } from "./layout";
import { doubtText } from "./doubtText";
import { cutAnswer, type Piece } from "./pieces";

interface Props {
  text: string;
  sentences: Sentence[];
  sources: Source[];
  onOpen: OpenSource;
}

/** The model's words, always as plain text, with their references and the verdict on each. */
export function AnswerText({ text, sentences, sources, onOpen }: Props) {
  const { t } = useTranslation();
  const blocks = useMemo(() => layAnswer(cutAnswer(text, sentences)), [text, sentences]);

  const line = (pieces: Piece[]) =>
    pieces.map((piece, index) => (
      <Fragment key={index}>
        {piece.citation ? (
          <CitationReference
            citation={piece.citation}
            source={sources.find((source) => source.number === piece.citation?.number)}
            onOpen={onOpen}
          />
        ) : (
          <span className={`sentence sentence--${piece.status}`}>{piece.text}</span>
        )}
        {piece.closes && (
          <span className={`doubt-label doubt-label--${piece.closes.status}`}>
            <WarningIcon />
            {doubtText(piece.closes, t)}
          </span>
        )}
      </Fragment>
    ));

  return (
    <div className="answer-text">
      {blocks.map((block, index) =>
        block.kind === "list" ? (
          <ul key={index}>
            {block.items.map((item, at) => (
              <li key={at}>{line(item)}</li>
            ))}
          </ul>
        ) : (
          <p key={index}>
            {block.lines.map((each, at) => (
              <Fragment key={at}>
                {at > 0 && <br />}
                {line(each)}
              </Fragment>
            ))}
          </p>
        ),
      )}
    </div>
  );
}

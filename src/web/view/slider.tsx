/** A slider that shows how far it is from its start, or from its center. */
interface Props {
  class?: string;
  label: string;
  /** What a screen reader says, and a mouse is shown. */
  text: string;
  min: number;
  max: number;
  step: number | 'any';
  value: number;
  /** Where a double-click brings it to. */
  neutral?: number;
  onChange: (value: number) => void;
}

export function Slider({
  class: name = '',
  label,
  text,
  min,
  max,
  step,
  value,
  neutral,
  onChange,
}: Props) {
  const share = (at: number) => `${String(((at - min) / (max - min || 1)) * 100)}%`;
  const from = Math.max(min, min < 0 ? 0 : min);
  return (
    <input
      class={`slider ${name}`}
      type="range"
      min={min}
      max={max}
      step={step}
      value={value}
      aria-label={label}
      aria-valuetext={text}
      title={`${label}: ${text}`}
      style={{ '--from': share(Math.min(from, value)), '--to': share(Math.max(from, value)) }}
      onInput={({ currentTarget: { valueAsNumber } }) => onChange(valueAsNumber)}
      onDblClick={() => {
        if (neutral !== undefined) onChange(neutral);
      }}
    />
  );
}

# What came of each file's mutants, and every mutant that no test noticed, from Stryker's report.
def of(status): map(select(.status == status)) | length;
def row(name): {name: name, caught: (of("Killed") + of("Timeout")), survived: of("Survived"), untouched: of("NoCoverage")};
def score: if .caught + .survived + .untouched == 0 then "-" else "\(1000 * .caught / (.caught + .survived + .untouched) | round / 10) %" end;
def line: "\(.name): \(score), \(.caught) caught, \(.survived) survived, \(.untouched) where no test comes";
[.files | to_entries[] | {name: (.key | split("/")[-1]), mutants: [.value.mutants[] | select(.status | IN("Killed", "Timeout", "Survived", "NoCoverage"))]} | select(.mutants != [])]
| (.[] | .name as $name | .mutants | row($name) | line),
  ([.[].mutants[]] | row("all") | line),
  (.[] | .name as $name | .mutants[] | select(.status | IN("Survived", "NoCoverage")) | "\($name):\(.location.start.line): \(.mutatorName): \(.replacement | gsub("\\s+"; " ") | .[:160])")

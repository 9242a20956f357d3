// Package language lets the Core Rule Set read text that is not English.
//
// The rule set folds every character above ASCII into one byte: the best-fit
// table where it has an entry, the low byte of the code point where it has none
// (ModSecurity's utf8toUnicode followed by urlDecodeUni). Cyrillic «м» becomes
// "<", «о» becomes ">", and ordinary Russian an attack. [Fold] keeps the part
// of it that an attacker needs, full-width and other compatibility forms
// (Unicode TR 15, NFKC) that stand for ASCII, and leaves letters of other
// scripts alone. One rule, 941310, looks for bytes of a broken US-ASCII decoder
// that are also the second bytes of Cyrillic letters: [Rewrite] has it look
// past well-formed UTF-8.
//
// It changes what rules read, never which rules there are. Everything here is
// safe for concurrent use.
package language

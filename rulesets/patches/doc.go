// Package patches holds virtual patches: rules that refuse the exploit of one
// known hole while the site still runs the version that has it. A patch is a
// file: a header (CVE, product, affected versions, what the request must look
// like, an exploit and a harmless look-alike), then its rules in SecLang.
//
// A patch is for one product and says whom it spares: what an administrator
// does through the same door is his right. It does not find out what a site
// runs and judges nothing; [Add] hands rules and exclusions to the profiles that
// rulesets applies.
//
// A loaded Patch is immutable.
package patches
